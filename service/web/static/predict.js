/** Sends files and receives their verdicts. */

import { isAbove, isIndeterminate } from "./cases.js";
import { announce } from "./dom.js";
import { pageProblem, ProblemError, send } from "./http.js";
import { needsService, previewByService } from "./preview.js";
import { Queue } from "./queue.js";
import { formatProbability, language, t, textOr } from "./texts.js";

const MAX_CONCURRENT = 2;
const verdicts = new Queue(MAX_CONCURRENT);
const pictures = new Queue(1);

/**
 * @param {import("./cases.js").Cases} cases
 * @param {import("./cases.js").Case} item
 */
export function predict(cases, item) {
  cases.change(item, { state: "waiting", sent: 0, problem: null });
  const { signal } = item.removed;
  verdicts.add(async () => {
    if (signal.aborted) return;
    try {
      await requestVerdict(cases, item, signal);
    } catch (error) {
      fail(cases, item, error);
    }
  });
}

async function requestVerdict(cases, item, signal) {
  cases.change(item, { state: "sending", sent: 0 });
  const answer = await send("predict", item.file, {
    signal,
    onProgress: (sent) => cases.change(item, { state: sent < 1 ? "sending" : "reading", sent }),
    onWait: (pause) => cases.change(item, { state: "paused", pause }),
  });
  const verdict = await parseVerdict(answer);
  const { summary = "" } = verdict;
  const at = new Date();
  cases.change(item, { state: "done", verdict, summary, summaryLang: language(), at });
  const probability = formatProbability(verdict.probability);
  announce(t("announce_done", { name: item.name, class: classText(item), probability }));
  if (needsService(item)) pictures.add(() => previewByService(cases, item));
}

/** @param {Blob} answer */
async function parseVerdict(answer) {
  try {
    const verdict = JSON.parse(await answer.text());
    if (typeof verdict.probability === "number") return verdict;
  } catch {
    // Reported below.
  }
  throw pageProblem("answer", "unexpected_answer", 200);
}

function fail(cases, item, error) {
  if (error.name === "AbortError") return;
  if (!(error instanceof ProblemError)) throw error;
  cases.change(item, { state: "failed", problem: error.problem });
  const { title, detail } = error.problem;
  announce(t("announce_failed", { name: item.name, title, detail }));
}

/**
 * The text for an assessment or a class; a model with other classes keeps their names.
 * @param {import("./cases.js").Case} item
 * @param {"class" | "short"} length
 */
export function classText(item, length = "class") {
  const name = isIndeterminate(item) ? "indeterminate" : item.verdict.predicted_class;
  return textOr(`${length}_${name}`, name);
}

/** @param {import("./cases.js").Case} item */
export const thresholdText = (item) => t(isAbove(item) ? "side_above" : "side_below");

/**
 * Mark what shows a radiograph with the side of the threshold, or with neither.
 * @param {HTMLElement} element
 * @param {import("./cases.js").Case | null} item Null without a verdict.
 */
export function toggleSide(element, item) {
  const open = Boolean(item) && isIndeterminate(item);
  element.classList.toggle("open", open);
  element.classList.toggle("above", Boolean(item) && !open && isAbove(item));
  element.classList.toggle("below", Boolean(item) && !open && !isAbove(item));
}
