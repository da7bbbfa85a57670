/** How a radiograph is looked at: zoom, place, grey levels. Pure functions of a view. */

/**
 * @typedef {object} View
 * @property {number} zoom 1 fits the frame.
 * @property {number} x Left edge of the picture, in widths of the frame.
 * @property {number} y Top edge, in heights of the frame.
 * @property {number} level The grey level in the middle of the window, in per cent.
 * @property {number} window The width of the window of grey levels, in per cent.
 * @property {boolean} inverted
 */

export const MAX_ZOOM = 8;
export const LEVEL = { min: 0, max: 100 };
export const WINDOW = { min: 5, max: 200 };

/** @type {Readonly<View>} */
export const WHOLE = { zoom: 1, x: 0, y: 0, level: 50, window: 100, inverted: false };

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

/**
 * Zoom so that one point stays where it is.
 * @param {View} view
 * @param {number} factor
 * @param {{ x: number, y: number }} [point] In sizes of the frame.
 * @returns {View}
 */
export function zoomed(view, factor, point = { x: 0.5, y: 0.5 }) {
  const zoom = clamp(view.zoom * factor, 1, MAX_ZOOM);
  const ratio = zoom / view.zoom;
  const x = point.x - (point.x - view.x) * ratio;
  const y = point.y - (point.y - view.y) * ratio;
  return moved({ ...view, zoom, x, y }, 0, 0);
}

/**
 * Move the picture; it always fills the frame.
 * @param {View} view
 * @param {number} dx In widths of the frame.
 * @param {number} dy In heights.
 * @returns {View}
 */
export function moved(view, dx, dy) {
  const least = 1 - view.zoom;
  return { ...view, x: clamp(view.x + dx, least, 0), y: clamp(view.y + dy, least, 0) };
}

/**
 * Change the window of grey levels, in per cent.
 * @param {View} view
 * @param {number} level
 * @param {number} window
 * @returns {View}
 */
export const levelled = (view, level, window) => ({
  ...view,
  level: clamp(level, LEVEL.min, LEVEL.max),
  window: clamp(window, WINDOW.min, WINDOW.max),
});

/**
 * The line that takes a grey level of the picture, 0 to 1, to that of the screen.
 * @param {View} view
 */
export function ramp({ level, window, inverted }) {
  const slope = 100 / window;
  const intercept = 0.5 - (level / 100) * slope;
  return inverted ? { slope: -slope, intercept: 1 - intercept } : { slope, intercept };
}

/** @param {View} view */
export const hasOwnLevels = ({ level, window, inverted }) =>
  inverted || level !== WHOLE.level || window !== WHOLE.window;
