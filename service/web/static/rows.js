/** The list of radiographs. */

import { isAbove } from "./cases.js";
import { copyOf, draw, element, picture, write } from "./parts.js";
import { classWords } from "./reading.js";
import { figure, radiographs, t } from "./texts.js";

/**
 * @param {import("./cases.js").Cases} cases
 * @param {AbortSignal} until
 */
export function showRows(cases, until) {
  /** @type {Map<import("./cases.js").Case, { row: HTMLElement, parts: Record<string, any> }>} */
  const rows = new Map();
  const list = element("rows");

  const rebuild = () => {
    for (const [one, { row }] of rows) {
      if (cases.all.includes(one)) continue;
      row.remove();
      rows.delete(one);
    }
    for (const one of cases.all) if (!rows.has(one)) rows.set(one, newRow(cases, one, list));
    for (const [one, { row }] of rows) {
      const current = one === cases.shown;
      row.classList.toggle("current", current);
      row.querySelector(".row-main").setAttribute("aria-current", String(current));
    }
    write(element("count"), radiographs(cases.all.length));
    element("csv").disabled = !cases.all.some((one) => one.verdict || one.problem);
  };

  cases.addEventListener("list", rebuild, { signal: until });
  cases.addEventListener(
    "change",
    ({ detail: one }) => {
      update(one, rows.get(one));
      if (one.state === "done" || one.state === "failed") element("csv").disabled = false;
    },
    { signal: until },
  );
  element("clear").addEventListener("click", () => {
    cases.clear();
    element("files").focus();
  });
  rebuild();
}

function newRow(cases, one, list) {
  const { nodes, parts } = copyOf("row-template");
  const row = nodes.firstElementChild;
  write(parts.name, one.name);
  parts.name.title = one.name;
  parts.remove.setAttribute("aria-label", t("remove", { name: one.name }));
  parts.remove.addEventListener("click", () => {
    const next = row.nextElementSibling ?? row.previousElementSibling;
    cases.remove(one);
    (next?.querySelector(".row-main") ?? element("files")).focus();
  });
  row.querySelector(".row-main").addEventListener("click", () => {
    cases.show(one);
    const narrow = matchMedia("(max-width: 52rem)").matches;
    if (narrow) element("detail").scrollIntoView({ block: "start" });
  });
  list.append(row);
  const made = { row, parts };
  update(one, made);
  return made;
}

/** @param {import("./cases.js").Case} one */
function update(one, { row, parts }) {
  const done = one.state === "done";
  row.classList.toggle("above", done && isAbove(one));
  row.classList.toggle("below", done && !isAbove(one));
  row.classList.toggle("failed", one.state === "failed");
  write(parts.state, stateWords(one, "short"));
  write(parts.figure, done ? figure(one.verdict.probability) : "");
  parts.progress.hidden = !["sending", "reading", "paused"].includes(one.state);
  draw(parts.progress, { done: one.sent });
  picture(parts.thumb, one.preview);
}

/**
 * Where a radiograph stands.
 * @param {import("./cases.js").Case} one
 * @param {"class" | "short"} length
 */
export function stateWords(one, length) {
  switch (one.state) {
    case "done":
      return classWords(one, length);
    case "failed":
      return length === "short" ? one.problem.title : t("state_failed");
    case "sending":
      return t("state_sending", { percent: Math.floor(one.sent * 100) });
    case "paused":
      return t("state_paused", { seconds: one.pause });
    default:
      return t(`state_${one.state}`);
  }
}
