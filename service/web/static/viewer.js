/** The viewing tools: what they change is seen only on the screen; no result depends on them. */

import { setProperties, setText } from "./dom.js";
import { bindGestures } from "./gestures.js";
import { t } from "./texts.js";
import { hasOwnLevels, levelled, moved, ramp, WHOLE, zoomed } from "./view.js";

const STEP = 1.25;
const NUDGE = 0.1;
const LEVEL_STEP = 5;
/** Dragging across the whole frame changes the grey levels by this much, in per cent. */
const LEVEL_RANGE = 100;

/** Kept for the next radiograph; zoom and grey levels are not. */
const kept = { compare: false, outlines: true, map: true };

/** Whether the lungs are to be outlined on the map. */
export const wantsOutlines = () => kept.outlines;

/**
 * @param {Record<string, HTMLElement>} parts Of a new detail view.
 * @param {() => void} onOutlines Called when the outlines are switched on or off.
 * @param {() => void} onEnlarged Called while the picture is enlarged.
 */
export function bindViewer(parts, onOutlines, onEnlarged) {
  let view = WHOLE;
  const { frame } = parts;
  const show = (next) => {
    view = next;
    draw(view, parts);
    if (view.zoom > 1) onEnlarged();
  };
  const levelling = () => !parts.levels.hidden;
  const toggleKept = (name) => {
    kept[name] = !kept[name];
    drawKept(parts);
  };
  const actions = {
    "zoom-in": () => show(zoomed(view, STEP)),
    "zoom-out": () => show(zoomed(view, 1 / STEP)),
    reset: () => show(WHOLE),
    invert: () => show({ ...view, inverted: !view.inverted }),
    "show-levels": () => {
      parts.levels.hidden = levelling();
      draw(view, parts);
    },
    compare: () => toggleKept("compare"),
    "toggle-map": () => toggleKept("map"),
    outlines: () => {
      toggleKept("outlines");
      onOutlines();
    },
    fullscreen: () => {
      if (document.fullscreenElement) document.exitFullscreen();
      else parts.viewer.requestFullscreen().catch(() => {}); // the browser may forbid it
    },
  };
  for (const [name, act] of Object.entries(actions)) parts[name]?.addEventListener("click", act);
  for (const name of ["level", "window"]) {
    parts[name].addEventListener("input", () => {
      show(levelled(view, Number(parts.level.value), Number(parts.window.value)));
    });
  }
  bindGestures(frame, (x, y) => paneAt(frame, x, y), {
    zoom: (factor, point) => show(zoomed(view, factor, point)),
    drag: (dx, dy, pinched) => {
      if (levelling() && !pinched) {
        show(levelled(view, view.level - dy * LEVEL_RANGE, view.window + dx * LEVEL_RANGE));
      } else show(moved(view, dx, dy));
    },
    toggle: (point) => show(view.zoom > 1 ? { ...view, zoom: 1, x: 0, y: 0 } : zoomed(view, 2.5, point)),
    takesWheel: (zoomsOut) => frame.contains(document.activeElement) && !(zoomsOut && view.zoom === 1),
  });
  parts.viewer.addEventListener("keydown", (event) => {
    const act = keyAction(event, frame, parts, actions, (change) => show(change(view)));
    if (!act) return;
    event.preventDefault();
    act();
  });
  parts.fullscreen.hidden = !document.fullscreenEnabled;
  drawKept(parts);
  show(WHOLE);
}

/** The pane under a place: both show the same part of their pictures. */
function paneAt(frame, x, y) {
  const panes = [...frame.querySelectorAll(".pane")].map((pane) => pane.getBoundingClientRect());
  const here = ({ left, right, top, bottom }) => x >= left && x < right && y >= top && y < bottom;
  return panes.find(here) ?? panes.at(-1);
}

const KEYS = {
  "+": "zoom-in",
  "-": "zoom-out",
  0: "reset",
  i: "invert",
  b: "show-levels",
  c: "compare",
  m: "toggle-map",
  l: "outlines",
  f: "fullscreen",
};
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** What a key does; undefined if nothing. */
function keyAction(event, frame, parts, actions, change) {
  if (event.ctrlKey || event.metaKey || event.altKey) return undefined;
  const arrow = ARROWS[event.key];
  if (arrow) {
    if (event.target !== frame) return undefined;
    const [across, down] = arrow;
    if (!event.shiftKey) return () => change((view) => moved(view, -across * NUDGE, -down * NUDGE));
    return () =>
      change((view) =>
        levelled(view, view.level - down * LEVEL_STEP, view.window + across * LEVEL_STEP),
      );
  }
  if (event.key === "?") {
    return () => {
      parts.help.open = !parts.help.open;
    };
  }
  const name = KEYS[event.key === "=" ? "+" : event.key.toLowerCase()];
  return name && !parts[name].hidden && !parts[name].disabled ? actions[name] : undefined;
}

function draw(view, parts) {
  const { frame } = parts;
  setProperties(frame, { zoom: view.zoom, x: `${view.x * 100}%`, y: `${view.y * 100}%` });
  frame.classList.toggle("zoomed", view.zoom > 1);
  frame.classList.toggle("levelling", !parts.levels.hidden);
  frame.classList.toggle("levelled", hasOwnLevels(view));
  const { slope, intercept } = ramp(view);
  for (const channel of parts.ramp.children) {
    channel.setAttribute("slope", slope);
    channel.setAttribute("intercept", intercept);
  }
  for (const name of ["level", "window"]) {
    parts[name].value = String(view[name]);
    setText(parts[`${name}-figure`], `${Math.round(view[name])} %`);
  }
  setText(parts["zoom-figure"], t("zoom", { percent: Math.round(view.zoom * 100) }));
  parts["zoom-out"].disabled = view.zoom <= 1;
  parts.reset.disabled = view.zoom === 1 && !hasOwnLevels(view);
  parts.invert.setAttribute("aria-pressed", String(view.inverted));
  parts["show-levels"].setAttribute("aria-expanded", String(!parts.levels.hidden));
}

function drawKept(parts) {
  parts.frame.classList.toggle("comparing", kept.compare);
  parts.frame.classList.toggle("unmapped", !kept.map);
  parts.compare.setAttribute("aria-pressed", String(kept.compare));
  parts.outlines.setAttribute("aria-pressed", String(kept.outlines));
  parts["toggle-map"].setAttribute("aria-pressed", String(kept.map));
}
