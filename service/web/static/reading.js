/** From a file to its verdict. */

import { isAbove } from "./cases.js";
import { ownProblem, ProblemError, send } from "./http.js";
import { announce } from "./parts.js";
import { previewByService, wantsService } from "./preview.js";
import { Queue } from "./queue.js";
import { figure, language, optional, t } from "./texts.js";

const AT_ONCE = 2;
const verdicts = new Queue(AT_ONCE);
const pictures = new Queue(1);

/**
 * @param {import("./cases.js").Cases} cases
 * @param {import("./cases.js").Case} one
 */
export function read(cases, one) {
  cases.change(one, { state: "waiting", sent: 0, problem: null });
  verdicts.add(async () => {
    if (one.gone.signal.aborted) return;
    try {
      await predict(cases, one);
    } catch (error) {
      fail(cases, one, error);
    }
  });
}

async function predict(cases, one) {
  cases.change(one, { state: "sending", sent: 0 });
  const answer = await send("predict", one.file, {
    signal: one.gone.signal,
    onProgress: (sent) => cases.change(one, { state: sent < 1 ? "sending" : "reading", sent }),
    onWait: (pause) => cases.change(one, { state: "paused", pause }),
  });
  const verdict = await understood(answer);
  const { summary = "" } = verdict;
  const at = new Date();
  cases.change(one, { state: "done", verdict, summary, summaryLang: language(), at });
  const probability = figure(verdict.probability);
  announce(t("announce_done", { name: one.name, class: classWords(one), probability }));
  if (wantsService(one)) pictures.add(() => previewByService(cases, one));
}

/** @param {Blob} answer */
async function understood(answer) {
  try {
    const verdict = JSON.parse(await answer.text());
    if (typeof verdict.probability === "number") return verdict;
  } catch {
    // Said below.
  }
  throw ownProblem("answer", "unexpected_answer", 200);
}

function fail(cases, one, error) {
  if (error.name === "AbortError") return;
  if (!(error instanceof ProblemError)) throw error;
  cases.change(one, { state: "failed", problem: error.problem });
  const { title, detail } = error.problem;
  announce(t("announce_failed", { name: one.name, title, detail }));
}

/**
 * The class in words; a model with classes of its own keeps its names.
 * @param {import("./cases.js").Case} one
 * @param {"class" | "short"} length
 */
export function classWords(one, length = "class") {
  const name = one.verdict.predicted_class;
  return optional(`${length}_${name}`, name);
}

/** @param {import("./cases.js").Case} one */
export const sideWords = (one) => t(isAbove(one) ? "side_above" : "side_below");
