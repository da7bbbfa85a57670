/** The radiographs of this tab, in the order in which they were added. */

/**
 * One radiograph and its results.
 * @typedef {object} Case
 * @property {number} id
 * @property {File} file
 * @property {string} name
 * @property {"waiting" | "sending" | "reading" | "paused" | "done" | "failed"} state
 * @property {number} sent Fraction uploaded, 0 to 1.
 * @property {number} pause Seconds until the next attempt.
 * @property {Verdict | null} verdict
 * @property {string} summary The summary of the service; empty if it sent none.
 * @property {string} summaryLang
 * @property {Date | null} at When the response arrived.
 * @property {import("./http.js").Problem | null} problem
 * @property {string | null} preview URL of a picture that the browser can display.
 * @property {boolean} previewMissing No picture is available.
 * @property {{ state: "none" | "loading" | "ready" | "empty" | "absent" | "failed", url: string | null,
 *   detail: string }} map
 * @property {string} reference Entered by the user, printed in the report.
 * @property {string} note
 * @property {AbortController} removed Aborted when the radiograph is removed.
 */

/**
 * The response of POST /predict.
 * @typedef {object} Verdict
 * @property {string} predicted_class
 * @property {number} probability
 * @property {"pneumonia" | "normal" | "indeterminate"} [assessment]
 * @property {{ code: string, detail: string }[]} [warnings]
 * @property {{ note: string } | null} [local]
 * @property {string} [scope]
 * @property {string} [next_step]
 * @property {number} threshold
 * @property {{ name: string, probability: number }[]} members
 * @property {{ name: string, version: string, digest: string }} model
 * @property {{ format: string, width: number, height: number, sha256: string }} image
 * @property {string} request_id
 * @property {string} [summary]
 */

/** @param {Case} item */
export const isIndeterminate = (item) => item.verdict.assessment === "indeterminate";

/** @param {Case} item */
export const isAbove = (item) => item.verdict.probability > item.verdict.threshold;

/** Dispatches "list" (added, removed, another one shown) and "change" (detail: the case). */
export class Cases extends EventTarget {
  /** @type {Case[]} */
  all = [];
  /** @type {Case | null} */
  shown = null;
  #next = 1;

  /**
   * @param {File[]} files
   * @returns {Case[]}
   */
  add(files) {
    const added = files.map((file) => ({
      id: this.#next++,
      file,
      name: file.name,
      state: "waiting",
      sent: 0,
      pause: 0,
      verdict: null,
      summary: "",
      summaryLang: "",
      at: null,
      problem: null,
      preview: null,
      previewMissing: false,
      map: { state: "none", url: null, detail: "" },
      reference: "",
      note: "",
      removed: new AbortController(),
    }));
    this.all.push(...added);
    this.shown ??= added[0];
    this.#dispatch("list");
    return added;
  }

  /**
   * @param {Case} item
   * @param {Partial<Case>} changes
   */
  change(item, changes) {
    Object.assign(item, changes);
    if (!item.removed.signal.aborted) this.#dispatch("change", item);
  }

  /** @param {Case} item */
  show(item) {
    this.shown = item;
    this.#dispatch("list");
  }

  /** @param {Case} item */
  remove(item) {
    const index = this.all.indexOf(item);
    this.all.splice(index, 1);
    release(item);
    if (this.shown === item) this.shown = this.all[index] ?? this.all[index - 1] ?? null;
    this.#dispatch("list");
  }

  clear() {
    this.all.splice(0).forEach(release);
    this.shown = null;
    this.#dispatch("list");
  }

  #dispatch(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/** @param {Case} item Abort its requests and free its pictures. */
function release(item) {
  item.removed.abort();
  for (const url of [item.preview, item.map.url]) if (url) URL.revokeObjectURL(url);
}
