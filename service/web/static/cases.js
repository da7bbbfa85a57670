/** The radiographs of this tab, in the order in which they were added. */

import { mapUrls, NO_MAP } from "./heatmap.js";

/**
 * One radiograph and its results.
 * @typedef {object} Case
 * @property {number} id
 * @property {File} file
 * @property {string} name The path within what was dropped; no two are equal.
 * @property {"waiting" | "sending" | "reading" | "paused" | "done" | "failed"} state
 * @property {number} sent Fraction uploaded, 0 to 1.
 * @property {number} pause Seconds until the next attempt.
 * @property {Verdict | null} verdict
 * @property {string} summary The summary of the service; empty if it sent none.
 * @property {string} summaryLang
 * @property {Date | null} at When the response arrived.
 * @property {import("./http.js").Problem | null} problem
 * @property {string | null} preview URL of a picture that the browser can display.
 * @property {boolean} small The preview is the service's, with fewer pixels than the file.
 * @property {boolean} previewMissing No picture is available.
 * @property {import("./heatmap.js").HeatMap} map
 * @property {string} reference Entered by the user, printed in the report.
 * @property {string} note
 * @property {AbortController} removed Aborted when the radiograph is removed; a new one if it is
 *   brought back.
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
 * @property {{ lower: number, upper: number } | null} [indeterminate]
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

/** How long removed radiographs can be brought back; then their pictures leave the memory. */
const UNDO_MS = 120_000;

/** Dispatches "list" (added, removed, another one shown) and "change" (detail: the case). */
export class Cases extends EventTarget {
  /** @type {Case[]} */
  all = [];
  /** @type {Case | null} */
  shown = null;
  /** @type {Case[]} Removed last, in their order; ``restore`` brings them back. */
  removed = [];
  #before = { all: [], shown: null };
  #forgetting = 0;
  #next = 1;

  /**
   * Add files and show the first of them: what is shown is never about an earlier patient.
   * @param {import("./dropped.js").Found[]} found
   * @returns {Case[]}
   */
  add(found) {
    this.#free();
    const names = new Set(this.all.map(({ name }) => name));
    const added = found.map(({ file, path }) => ({
      id: this.#next++,
      file,
      name: unused(path, names),
      state: "waiting",
      sent: 0,
      pause: 0,
      verdict: null,
      summary: "",
      summaryLang: "",
      at: null,
      problem: null,
      preview: null,
      small: false,
      previewMissing: false,
      map: NO_MAP,
      reference: "",
      note: "",
      removed: new AbortController(),
    }));
    this.all.push(...added);
    this.shown = added[0] ?? this.shown;
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
    this.#remove([item]);
  }

  clear() {
    this.#remove(this.all);
  }

  /** @param {Case[]} items Their requests are aborted; their pictures are kept for ``restore``. */
  #remove(items) {
    this.#free();
    this.#before = { all: [...this.all], shown: this.shown };
    this.removed = [...items];
    for (const item of items) item.removed.abort();
    const place = this.all.indexOf(this.shown);
    this.all = this.all.filter((item) => !this.removed.includes(item));
    if (!this.all.includes(this.shown)) this.shown = this.all[place] ?? this.all.at(-1) ?? null;
    this.#forgetting = setTimeout(() => this.forget(), UNDO_MS);
    this.#dispatch("list");
  }

  /** Bring back what was removed last. Dispatches "restore" (detail: the cases without an answer). */
  restore() {
    clearTimeout(this.#forgetting);
    const restored = this.removed.splice(0);
    for (const item of restored) {
      item.removed = new AbortController();
      if (item.map.state === "loading") item.map = NO_MAP;
    }
    ({ all: this.all, shown: this.shown } = this.#before);
    this.#dispatch("list");
    const open = restored.filter(({ state }) => state !== "done" && state !== "failed");
    this.#dispatch("restore", open);
  }

  /** Give up what was removed last. */
  forget() {
    this.#free();
    this.#dispatch("list");
  }

  #free() {
    clearTimeout(this.#forgetting);
    this.removed.splice(0).forEach(freePictures);
    this.#before = { all: [], shown: null };
  }

  #dispatch(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

/** @param {Case} item */
function freePictures(item) {
  for (const url of [item.preview, ...mapUrls(item.map)]) if (url) URL.revokeObjectURL(url);
}

/**
 * Files of one name that were not chosen by folder are told apart by a number.
 * @param {string} path
 * @param {Set<string>} names Those in use; the new one is added.
 */
function unused(path, names) {
  let name = path;
  for (let number = 2; names.has(name); number += 1) name = `${path} (${number})`;
  names.add(name);
  return name;
}
