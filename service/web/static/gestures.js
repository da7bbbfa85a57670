/** Mouse, pen and fingers on the frame of a picture. */

const WHEEL_PX_PER_OCTAVE = 350;
const LINE_PX = 16;

/**
 * @typedef {object} Actions
 * @property {(factor: number, point: { x: number, y: number }) => void} zoom
 * @property {(dx: number, dy: number) => void} drag In sizes of the frame.
 * @property {(point: { x: number, y: number }) => void} toggle
 * @property {(zoomsOut: boolean) => boolean} takesWheel Whether the wheel zooms; else it scrolls.
 */

/**
 * @param {HTMLElement} frame
 * @param {(x: number, y: number) => DOMRect} area What the sizes count in, at a place.
 * @param {Actions} actions
 */
export function bindGestures(frame, area, { zoom, drag, toggle, takesWheel }) {
  /** @type {Map<number, PointerEvent>} */
  const pointers = new Map();
  const place = ({ clientX, clientY }) => {
    const { left, top, width, height } = area(clientX, clientY);
    return { x: (clientX - left) / width, y: (clientY - top) / height };
  };

  frame.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    pointers.set(event.pointerId, event);
    frame.setPointerCapture(event.pointerId);
  });
  frame.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    if (pointers.size === 2) pinch(before, event);
    else if (pointers.size === 1) {
      const [from, to] = [place(before), place(event)];
      drag(to.x - from.x, to.y - from.y);
    }
    pointers.set(event.pointerId, event);
  });
  for (const type of ["pointerup", "pointercancel", "lostpointercapture"]) {
    frame.addEventListener(type, ({ pointerId }) => pointers.delete(pointerId));
  }
  frame.addEventListener("dragstart", (event) => event.preventDefault());
  frame.addEventListener("dblclick", (event) => toggle(place(event)));
  frame.addEventListener(
    "wheel",
    (event) => {
      // Two fingers on a touchpad come as a wheel with Ctrl.
      const pinched = event.ctrlKey || event.metaKey;
      if (!pinched && !takesWheel(event.deltaY > 0)) return;
      event.preventDefault();
      const pixels = event.deltaY * (event.deltaMode ? LINE_PX : 1) * (pinched ? 3 : 1);
      zoom(2 ** (-pixels / WHEEL_PX_PER_OCTAVE), place(event));
    },
    { passive: false },
  );

  function pinch(before, event) {
    const [other] = [...pointers.values()].filter(({ pointerId }) => pointerId !== event.pointerId);
    const [start, end, still] = [place(before), place(event), place(other)];
    const spread = (one) => Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
    drag((end.x - start.x) / 2, (end.y - start.y) / 2, true);
    if (spread(before) > 0) {
      zoom(spread(event) / spread(before), { x: (end.x + still.x) / 2, y: (end.y + still.y) / 2 });
    }
  }
}
