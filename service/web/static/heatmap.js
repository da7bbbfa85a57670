/** The heat map: fetched for the radiograph that is shown, displayed over its picture. */

import { setImage, setProperties, setText } from "./dom.js";
import { ProblemError, send } from "./http.js";
import { t } from "./texts.js";
import { wantsOutlines } from "./viewer.js";

/** Digests of models without maps: one response is enough for all radiographs. */
const modelsWithoutMaps = new Set();

/** In percent; kept for the next radiograph. */
let opacity = 45;

/**
 * The map of a radiograph.
 * @typedef {object} HeatMap
 * @property {"none" | "loading" | "ready" | "empty" | "absent" | "failed"} state
 * @property {string | null} outlined URL of the map with the outlines of the lungs.
 * @property {string | null} plain URL of the map without.
 * @property {string} detail Why it failed.
 */

/** @type {Readonly<HeatMap>} */
export const NO_MAP = { state: "none", outlined: null, plain: null, detail: "" };

/** @param {HeatMap} map */
export const mapUrls = ({ outlined, plain }) => [outlined, plain];

/** @param {import("./cases.js").Case} item Which of its maps is to be seen. */
const wanted = (item) => (wantsOutlines() || !item.verdict.lungs ? "outlined" : "plain");

/**
 * Fetch the map that is to be seen, once.
 * @param {import("./cases.js").Cases} cases
 * @param {import("./cases.js").Case} item
 */
export async function loadMap(cases, item) {
  const kind = wanted(item);
  const { state } = item.map;
  if (!["none", "ready", "empty"].includes(state) || item.map[kind]) return;
  if (state === "empty" && kind === "plain") return; // nothing would be on it
  const setMap = (changes) => cases.change(item, { map: { ...item.map, ...changes } });
  const { digest } = item.verdict.model;
  if (modelsWithoutMaps.has(digest)) {
    setMap({ state: "absent" });
    return;
  }
  setMap({ state: "loading" });
  const { signal } = item.removed;
  try {
    const path = `explain?layer=map&opacity=1&outlines=${kind === "outlined"}`;
    const answer = await send(path, item.file, { signal });
    const found = (await isEmpty(answer)) ? "empty" : "ready";
    if (!signal.aborted) setMap({ state: found, [kind]: URL.createObjectURL(answer) });
  } catch (error) {
    if (!(error instanceof ProblemError)) return; // the radiograph was removed
    if (error.problem.code === "not_explainable") {
      modelsWithoutMaps.add(digest);
      setMap({ state: "absent" });
    } else setMap({ state: "failed", detail: error.problem.detail });
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
  const { state, detail } = item.map;
  const lungs = Boolean(item.verdict?.lungs);
  const url = item.verdict ? (item.map[wanted(item)] ?? null) : null;
  const seen = state === "ready" || (state === "empty" && lungs);
  setImage(parts.map, seen ? url : null, t("map"));
  // Without colours there is no slider, and the lungs' outlines are all there is to see.
  setProperties(parts.frame, { opacity: state === "empty" ? 1 : opacity / 100 });
  parts.overlay.hidden = state !== "ready";
  parts.frame.classList.toggle("mapped", seen);
  for (const name of ["compare", "toggle-map"]) parts[name].hidden = !seen;
  parts.outlines.hidden = !(lungs && seen);
  const text = parts["map-text"];
  const described = ["loading", "empty", "absent", "failed", "ready"];
  text.hidden = !described.includes(state);
  const ready = !lungs ? "map_whole" : wantsOutlines() ? "map_ready" : "map_ready_plain";
  if (!text.hidden) setText(text, t(state === "ready" ? ready : `map_${state}`, { detail }));
}
