/** What a radiograph looks like: by the browser where it can, else by the service. */

import { ProblemError, send } from "./http.js";

/**
 * Browsers that open TIFF, or show 16-bit PNG, stretch their grey levels in ways of their own.
 * @param {Uint8Array} head The first 32 bytes of a file.
 */
export function isShownByBrowsers(head) {
  const starts = (...bytes) => bytes.every((byte, index) => head[index] === byte);
  if (starts(0x49, 0x49) || starts(0x4d, 0x4d)) return false; // TIFF
  const isPng = starts(0x89, 0x50, 0x4e, 0x47);
  return !(isPng && head[24] === 16); // IHDR: bits of a sample
}

/**
 * @param {import("./cases.js").Cases} cases
 * @param {import("./cases.js").Case} one
 */
export async function previewByBrowser(cases, one) {
  try {
    const head = new Uint8Array(await one.file.slice(0, 32).arrayBuffer());
    if (isShownByBrowsers(head)) {
      await show(cases, one, one.file);
      return;
    }
  } catch {
    // Not readable, or not a picture: POST /predict says what it is.
  }
  cases.change(one, { previewMissing: true });
  if (one.state === "done") await previewByService(cases, one);
}

/** @param {import("./cases.js").Case} one */
export const wantsService = (one) => one.previewMissing && !one.preview;

/**
 * @param {import("./cases.js").Cases} cases
 * @param {import("./cases.js").Case} one
 */
export async function previewByService(cases, one) {
  try {
    const answer = await send("preview", one.file, { signal: one.gone.signal });
    await show(cases, one, answer);
  } catch (error) {
    // The verdict stands without a picture; the page says that there is none.
    if (error instanceof ProblemError) cases.change(one, { previewMissing: true });
  }
}

async function show(cases, one, blob) {
  const address = URL.createObjectURL(blob);
  const image = new Image();
  image.src = address;
  try {
    await image.decode();
  } catch (error) {
    URL.revokeObjectURL(address);
    throw error;
  }
  if (one.gone.signal.aborted) URL.revokeObjectURL(address);
  else cases.change(one, { preview: address, previewMissing: false });
}
