/** The list of radiographs. */

import { cloneTemplate, element, setImage, setName, setProperties, setText } from "./dom.js";
import { classText, toggleSide } from "./predict.js";
import { countText, formatProbability, t } from "./texts.js";

/**
 * @param {import("./cases.js").Cases} cases
 * @param {AbortSignal} signal Removes the listeners.
 */
export function showRows(cases, signal) {
  /** @type {Map<import("./cases.js").Case, { row: HTMLElement, parts: Record<string, any> }>} */
  const rows = new Map();
  const list = element("rows");

  const rebuild = () => {
    for (const [item, { row }] of rows) {
      if (cases.all.includes(item)) continue;
      row.remove();
      rows.delete(item);
    }
    for (const item of cases.all) if (!rows.has(item)) rows.set(item, createRow(cases, item, list));
    for (const [place, item] of cases.all.entries()) {
      const { row } = rows.get(item);
      if (list.children[place] !== row) list.insertBefore(row, list.children[place]);
      const current = item === cases.shown;
      row.classList.toggle("current", current);
      if (current) bringIntoView(row, list);
      row.querySelector(".row-main").setAttribute("aria-current", String(current));
    }
    setText(element("count"), countText(cases.all.length));
    element("csv").disabled = !cases.all.some((item) => item.verdict || item.problem);
  };

  cases.addEventListener("list", rebuild, { signal });
  cases.addEventListener(
    "change",
    ({ detail: item }) => {
      update(item, rows.get(item));
      if (item.state === "done" || item.state === "failed") element("csv").disabled = false;
    },
    { signal },
  );
  element("clear").addEventListener("click", () => {
    cases.clear();
    (document.querySelector("[data-kind=undo] button") ?? element("files")).focus();
  });
  rebuild();
}

/** Scroll the list, and not the page. */
function bringIntoView(row, list) {
  const { offsetTop: top, offsetHeight: height } = row;
  if (top < list.scrollTop) list.scrollTop = top;
  else if (top + height > list.scrollTop + list.clientHeight) {
    list.scrollTop = top + height - list.clientHeight;
  }
}

function createRow(cases, item, list) {
  const { nodes, parts } = cloneTemplate("row-template");
  const row = nodes.firstElementChild;
  setName(parts.name, item.name);
  parts.remove.setAttribute("aria-label", t("remove", { name: item.name }));
  parts.remove.addEventListener("click", () => {
    const next = row.nextElementSibling ?? row.previousElementSibling;
    cases.remove(item);
    (next?.querySelector(".row-main") ?? element("files")).focus();
  });
  row.querySelector(".row-main").addEventListener("click", () => {
    cases.show(item);
    const narrow = matchMedia("(max-width: 52rem)").matches;
    if (narrow) element("detail").scrollIntoView({ block: "start" });
  });
  list.append(row);
  const created = { row, parts };
  update(item, created);
  return created;
}

/** @param {import("./cases.js").Case} item */
function update(item, { row, parts }) {
  const done = item.state === "done";
  toggleSide(row, done ? item : null);
  row.classList.toggle("failed", item.state === "failed");
  const warned = done ? (item.verdict.warnings ?? []).length : 0;
  const note = warned === 1 ? t("warned_one") : t("warned_many", { count: warned });
  setText(parts.state, warned ? `${stateText(item, "short")} · ${note}` : stateText(item, "short"));
  setText(parts.figure, done ? formatProbability(item.verdict.probability) : "");
  parts.progress.hidden = !["sending", "reading", "paused"].includes(item.state);
  setProperties(parts.progress, { done: item.sent });
  setImage(parts.thumb, item.preview);
}

/**
 * The text for the state of a radiograph.
 * @param {import("./cases.js").Case} item
 * @param {"class" | "short"} length
 */
export function stateText(item, length) {
  switch (item.state) {
    case "done":
      return classText(item, length);
    case "failed":
      return length === "short" ? item.problem.title : t("state_failed");
    case "sending":
      return t("state_sending", { percent: Math.floor(item.sent * 100) });
    case "paused":
      return t("state_paused", { seconds: item.pause });
    default:
      return t(`state_${item.state}`);
  }
}
