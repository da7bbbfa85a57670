/** Requests to the service: one file each, with progress, problems in words, patience and the key. */

import { askForKey, currentKey } from "./key.js";
import { language, t } from "./texts.js";

const MOST_TRIES = 8;
const LONGEST_WAIT_S = 30;
const PATIENCE_S = 180;

/**
 * Why there is no answer, in words.
 * @typedef {object} Problem
 * @property {string} title
 * @property {string} detail
 * @property {string} code
 * @property {string} lang Language of title and detail.
 */

export class ProblemError extends Error {
  /**
   * @param {Problem} problem
   * @param {number} status 0 when nothing was answered.
   * @param {number} retryAfter Seconds; 0 when trying again would not help.
   */
  constructor(problem, status = 0, retryAfter = 0) {
    super(problem.title);
    this.problem = problem;
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

/**
 * @typedef {object} Options
 * @property {Record<string, string>} [fields] Sent beside the file.
 * @property {AbortSignal} [signal]
 * @property {(share: number) => void} [onProgress] Called with the share that is sent, 0 to 1.
 * @property {(seconds: number) => void} [onWait] Called each second until the next try.
 */

/**
 * Send a file; wait and try again while the service is busy, and ask for the key when it wants one.
 * @param {string} path
 * @param {Blob} file
 * @param {Options} [options]
 * @returns {Promise<Blob>}
 * @throws {ProblemError | DOMException} The latter when the signal aborts.
 */
export async function send(path, file, options = {}) {
  let waited = 0;
  for (let tries = 1; ; tries += 1) {
    const key = currentKey();
    try {
      return await sendOnce(path, file, key, options);
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      if (error.status === 401) {
        if (!(await askForKey(key))) throw ownProblem("key", "unauthorised");
        continue;
      }
      const wait = error.retryAfter;
      if (!wait || wait > LONGEST_WAIT_S || waited + wait > PATIENCE_S || tries >= MOST_TRIES) {
        throw error;
      }
      waited += wait;
      await sitOut(wait, options);
    }
  }
}

/** @returns {Promise<Blob>} */
function sendOnce(path, file, key, { fields = {}, signal, onProgress }) {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  // Names of files tend to hold names of patients: this one stays here.
  form.append("file", file, "radiograph");
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest(); // fetch tells nothing of how far an upload is
    request.open("POST", path);
    request.responseType = "blob";
    request.setRequestHeader("Accept-Language", language());
    if (key) request.setRequestHeader("Authorization", `Bearer ${key}`);
    request.upload.onprogress = (event) => onProgress?.(event.loaded / event.total);
    request.onload = () => {
      if (request.status === 200) resolve(request.response);
      else problemOf(request).then(reject);
    };
    request.onerror = () => reject(ownProblem("network", "no_answer"));
    request.onabort = () => reject(new DOMException("Taken away", "AbortError"));
    if (signal?.aborted) request.onabort();
    else {
      signal?.addEventListener("abort", () => request.abort(), { once: true });
      request.send(form);
    }
  });
}

/** @param {XMLHttpRequest} request */
async function problemOf(request) {
  const { status } = request;
  const retryAfter = status === 503 ? Number(request.getResponseHeader("Retry-After")) || 0 : 0;
  try {
    const { title, detail, code } = JSON.parse(await request.response.text());
    const lang = request.getResponseHeader("Content-Language") ?? "en";
    if (title && detail) return new ProblemError({ title, detail, code, lang }, status, retryAfter);
  } catch {
    // A proxy on the way answers pages of its own.
  }
  return ownProblem("answer", "unexpected_answer", status, retryAfter);
}

/**
 * A problem in the page's own words.
 * @param {"network" | "answer" | "key"} kind
 */
export function ownProblem(kind, code, status = 0, retryAfter = 0) {
  const detail = t(`${kind}_detail`, { status });
  const problem = { title: t(`${kind}_title`), detail, code, lang: language() };
  return new ProblemError(problem, status, retryAfter);
}

/** Wait, counting down. */
async function sitOut(seconds, { signal, onWait }) {
  for (let left = seconds; left > 0; left -= 1) {
    signal?.throwIfAborted();
    onWait?.(left);
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
  signal?.throwIfAborted();
}
