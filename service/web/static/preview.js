/** The preview of a radiograph: by the browser if it can decode the file, else by the service. */

import { ProblemError, send } from "./http.js";

/** The longer side of a picture that the service sends unasked, and the longest that it sends. */
const SMALL_PX = 1024;
const MOST_PX = 4096;

/**
 * Browsers that display TIFF or 16-bit PNG rescale grey levels in different ways. DICOM may begin as
 * a picture of another format.
 * @param {Uint8Array} head The first 132 bytes of a file.
 */
export function isDisplayable(head) {
  const starts = (...bytes) => bytes.every((byte, index) => head[index] === byte);
  if (String.fromCharCode(...head.slice(128)) === "DICM") return false;
  if (starts(0x49, 0x49) || starts(0x4d, 0x4d)) return false; // TIFF
  const isPng = starts(0x89, 0x50, 0x4e, 0x47);
  return !(isPng && head[24] === 16); // IHDR: bit depth
}

/**
 * @param {import("./cases.js").Cases} cases
 * @param {import("./cases.js").Case} item
 */
export async function previewByBrowser(cases, item) {
  try {
    const head = new Uint8Array(await item.file.slice(0, 132).arrayBuffer());
    if (isDisplayable(head)) {
      await show(cases, item, item.file);
      return;
    }
  } catch {
    // Not a readable picture: POST /predict reports the problem.
  }
  cases.change(item, { previewMissing: true });
  if (item.state === "done") await previewByService(cases, item);
}

/** @param {import("./cases.js").Case} item */
export const needsService = (item) => item.previewMissing && !item.preview;

/**
 * @param {import("./cases.js").Cases} cases
 * @param {import("./cases.js").Case} item
 */
export async function previewByService(cases, item) {
  try {
    const answer = await send("preview", item.file, { signal: item.removed.signal });
    await show(cases, item, answer);
    cases.change(item, { small: true });
  } catch (error) {
    // The verdict is shown without a picture.
    if (error instanceof ProblemError) cases.change(item, { previewMissing: true });
  }
}

/**
 * Replace the service's small preview by one with all pixels, once: the picture is being enlarged.
 * @param {import("./cases.js").Cases} cases
 * @param {import("./cases.js").Case} item
 */
export async function sharpen(cases, item) {
  if (!item.small) return;
  item.small = false;
  const { width, height } = item.verdict.image;
  if (Math.max(width, height) <= SMALL_PX) return;
  try {
    const { signal } = item.removed;
    await show(cases, item, await send(`preview?longest=${MOST_PX}`, item.file, { signal }));
  } catch {
    // The small picture stays.
  }
}

async function show(cases, item, blob) {
  const { signal } = item.removed;
  const before = item.preview;
  const url = URL.createObjectURL(blob);
  const image = new Image();
  image.src = url;
  try {
    await image.decode();
  } catch (error) {
    URL.revokeObjectURL(url);
    throw error;
  }
  if (signal.aborted || item.preview !== before) {
    URL.revokeObjectURL(url);
    return;
  }
  cases.change(item, { preview: url, previewMissing: false });
  if (before) URL.revokeObjectURL(before);
}
