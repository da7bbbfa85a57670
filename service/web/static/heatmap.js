/** The heat map: fetched for the radiograph that is shown, displayed over its picture. */

import { setImage, setProperties, setText } from "./dom.js";
import { ProblemError, send } from "./http.js";
import { t } from "./texts.js";

/** Digests of models without maps: one response is enough for all radiographs. */
const modelsWithoutMaps = new Set();

/** In percent; kept for the next radiograph. */
let opacity = 45;

/**
 * Fetch the map of a radiograph, once.
 * @param {import("./cases.js").Cases} cases
 * @param {import("./cases.js").Case} item
 */
export async function loadMap(cases, item) {
  if (item.map.state !== "none") return;
  const setMap = (state, url = null, detail = "") =>
    cases.change(item, { map: { state, url, detail } });
  const { digest } = item.verdict.model;
  if (modelsWithoutMaps.has(digest)) {
    setMap("absent");
    return;
  }
  setMap("loading");
  try {
    const { signal } = item.removed;
    const answer = await send("explain?layer=map&opacity=1", item.file, { signal });
    const state = (await isEmpty(answer)) ? "empty" : "ready";
    if (!signal.aborted) setMap(state, URL.createObjectURL(answer));
  } catch (error) {
    if (!(error instanceof ProblemError)) return; // the radiograph was removed
    if (error.problem.code === "not_explainable") {
      modelsWithoutMaps.add(digest);
      setMap("absent");
    } else setMap("failed", null, error.problem.detail);
  }
}

/**
 * Whether a map has no colour: no area raised the probability. The lungs' outlines are white.
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
    setProperties(parts.frame, { opacity: opacity / 100 });
    setText(parts["opacity-figure"], `${opacity} %`);
  };
  parts.opacity.value = String(opacity);
  parts.opacity.addEventListener("input", apply);
  apply();
}

/** @param {import("./cases.js").Case} item */
export function updateOverlay(item, parts) {
  const { state, url, detail } = item.map;
  parts.overlay.hidden = state !== "ready";
  const outlined = Boolean(item.verdict?.lungs);
  const shown = state === "ready" || (state === "empty" && outlined);
  setImage(parts.map, shown ? url : null, t("map"));
  const text = parts["map-text"];
  const described = ["loading", "empty", "absent", "failed", ...(outlined ? ["ready"] : [])];
  text.hidden = !described.includes(state);
  if (!text.hidden) setText(text, t(`map_${state}`, { detail }));
}
