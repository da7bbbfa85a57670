/** What the page knows: the radiographs of this tab, in the order in which they came. */

/**
 * One radiograph and all that became of it.
 * @typedef {object} Case
 * @property {number} id
 * @property {File} file
 * @property {string} name
 * @property {"waiting" | "sending" | "reading" | "paused" | "done" | "failed"} state
 * @property {number} sent Share that is uploaded, 0 to 1.
 * @property {number} pause Seconds until the next try.
 * @property {Verdict | null} verdict
 * @property {string} summary The verdict in a sentence of the service; empty if it gave none.
 * @property {string} summaryLang
 * @property {Date | null} at When the answer came.
 * @property {import("./http.js").Problem | null} problem
 * @property {string | null} preview Address of a picture that the browser shows.
 * @property {boolean} previewMissing No picture can be had.
 * @property {{ state: "none" | "loading" | "ready" | "empty" | "absent" | "failed", address: string | null,
 *   detail: string }} map
 * @property {string} reference Typed by the user, printed in the report.
 * @property {string} note
 * @property {AbortController} gone
 */

/**
 * What POST /predict answers.
 * @typedef {object} Verdict
 * @property {string} predicted_class
 * @property {number} probability
 * @property {number} threshold
 * @property {{ name: string, probability: number }[]} members
 * @property {{ name: string, version: string, digest: string }} model
 * @property {{ format: string, width: number, height: number, sha256: string }} image
 * @property {string} request_id
 * @property {string} [summary]
 */

/** @param {Case} one */
export const isAbove = (one) => one.verdict.probability > one.verdict.threshold;

/** Tells its listeners of "list" (came, went, another shown) and "change" (detail: the case). */
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
      map: { state: "none", address: null, detail: "" },
      reference: "",
      note: "",
      gone: new AbortController(),
    }));
    this.all.push(...added);
    this.shown ??= added[0];
    this.#tell("list");
    return added;
  }

  /**
   * @param {Case} one
   * @param {Partial<Case>} news
   */
  change(one, news) {
    Object.assign(one, news);
    if (!one.gone.signal.aborted) this.#tell("change", one);
  }

  /** @param {Case} one */
  show(one) {
    this.shown = one;
    this.#tell("list");
  }

  /** @param {Case} one */
  remove(one) {
    const place = this.all.indexOf(one);
    this.all.splice(place, 1);
    forget(one);
    if (this.shown === one) this.shown = this.all[place] ?? this.all[place - 1] ?? null;
    this.#tell("list");
  }

  clear() {
    this.all.splice(0).forEach(forget);
    this.shown = null;
    this.#tell("list");
  }

  #tell(what, detail) {
    this.dispatchEvent(new CustomEvent(what, { detail }));
  }
}

/** @param {Case} one Its request is broken off and its pictures leave the memory. */
function forget(one) {
  one.gone.abort();
  for (const address of [one.preview, one.map.address]) if (address) URL.revokeObjectURL(address);
}
