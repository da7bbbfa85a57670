/** The heat map: fetched for the radiograph that is shown, laid over its picture. */

import { ProblemError, send } from "./http.js";
import { draw, picture, write } from "./parts.js";
import { t } from "./texts.js";

/** Models that allow no map, by digest: one answer says it for all their radiographs. */
const without = new Set();

/** In percent; what the user sets holds for the next radiograph too. */
let opacity = 45;

/**
 * Fetch the map of a radiograph, once.
 * @param {import("./cases.js").Cases} cases
 * @param {import("./cases.js").Case} one
 */
export async function wantMap(cases, one) {
  if (one.map.state !== "none") return;
  const tell = (state, address = null, detail = "") =>
    cases.change(one, { map: { state, address, detail } });
  const { digest } = one.verdict.model;
  if (without.has(digest)) {
    tell("absent");
    return;
  }
  tell("loading");
  try {
    const answer = await send("explain?layer=map&opacity=1", one.file, { signal: one.gone.signal });
    const state = (await isEmpty(answer)) ? "empty" : "ready";
    if (!one.gone.signal.aborted) tell(state, URL.createObjectURL(answer));
  } catch (error) {
    if (!(error instanceof ProblemError)) return; // the radiograph was taken away
    if (error.problem.code === "not_explainable") {
      without.add(digest);
      tell("absent");
    } else tell("failed", null, error.problem.detail);
  }
}

/**
 * Whether a map has no colour anywhere: nothing spoke for pneumonia. The lungs' outlines are white.
 * @param {Blob} map
 */
async function isEmpty(map) {
  const side = 64;
  const options = { resizeWidth: side, resizeHeight: side, resizeQuality: "low" };
  const small = await createImageBitmap(map, options);
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = side;
  const context = canvas.getContext("2d");
  context.drawImage(small, 0, 0);
  const { data } = context.getImageData(0, 0, side, side);
  for (let place = 0; place < data.length; place += 4) {
    const [red, green, blue, alpha] = data.slice(place, place + 4);
    if (alpha >= 8 && Math.max(red, green, blue) - Math.min(red, green, blue) >= 24) return false;
  }
  return true;
}

/** Connect the slider. */
export function bindOverlay(parts) {
  const apply = () => {
    opacity = Number(parts.opacity.value);
    draw(parts.frame, { opacity: opacity / 100 });
    write(parts["opacity-figure"], `${opacity} %`);
  };
  parts.opacity.value = String(opacity);
  parts.opacity.addEventListener("input", apply);
  apply();
}

/** @param {import("./cases.js").Case} one */
export function updateOverlay(one, parts) {
  const { state, address, detail } = one.map;
  const outlined = Boolean(one.verdict?.lungs);
  const shown = state === "ready" || (state === "empty" && outlined);
  parts.overlay.hidden = state !== "ready";
  picture(parts.map, shown ? address : null, t("map"));
  const words = parts["map-words"];
  const worded = ["loading", "empty", "absent", "failed", ...(outlined ? ["ready"] : [])];
  words.hidden = !worded.includes(state);
  if (!words.hidden) write(words, t(`map_${state}`, { detail }));
}
