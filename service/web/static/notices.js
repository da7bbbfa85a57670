/** Notices above the list: what could not be read, and what was removed and can be brought back. */

import { announce, cloneTemplate, element, setText } from "./dom.js";
import { countText, t } from "./texts.js";

const MOST_NAMES = 5;

/**
 * @param {number} added How many files of the same drop are read.
 * @param {string[]} unreadable Paths; empty if nothing was found at all.
 */
export function showUnreadable(added, unreadable) {
  const names = unreadable.slice(0, MOST_NAMES).join(" · ");
  const more = unreadable.length - MOST_NAMES;
  const list = more > 0 ? t("and_more", { names, count: more }) : names;
  const rest = added > 0 ? t("unreadable_rest", { count: countText(added) }) : t("nothing_found");
  const text = list ? `${t("unreadable", { names: list })} ${rest}` : rest;
  announce(text);
  show("unreadable", text, null);
}

/**
 * Offer to bring back what was removed, as long as that is possible.
 * @param {import("./cases.js").Cases} cases
 * @param {AbortSignal} signal Removes the listener.
 */
export function offerUndo(cases, signal) {
  const update = () => {
    const count = cases.removed.length;
    if (count === 0) {
      hide("undo");
      return;
    }
    const [first] = cases.removed;
    const text = count === 1 ? t("removed_one", { name: first.name }) : t("removed_many", { count });
    if (element("notices").querySelector("[data-kind=undo] [data-part=text]")?.textContent === text) {
      return;
    }
    announce(text);
    show("undo", text, () => cases.restore(), () => cases.forget());
  };
  cases.addEventListener("list", update, { signal });
  update();
}

/** @param {string} kind One notice of a kind is shown at a time. */
function show(kind, text, undo, onClose = () => {}) {
  hide(kind);
  const { nodes, parts } = cloneTemplate("notice-template");
  nodes.firstElementChild.dataset.kind = kind;
  setText(parts.text, text);
  parts.undo.hidden = !undo;
  parts.undo.addEventListener("click", () => {
    undo();
    (document.querySelector(".row.current .row-main") ?? element("files")).focus();
  });
  parts.close.addEventListener("click", () => {
    hide(kind);
    onClose();
    element("files").focus();
  });
  element("notices").append(nodes);
}

export const hide = (kind) => element("notices").querySelector(`[data-kind=${kind}]`)?.remove();
