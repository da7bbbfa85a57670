/** Requests to the service, one file each: progress, problems, retries and the access key. */

import { currentKey, requestKey } from "./access-key.js";
import { language, t } from "./texts.js";

const MAX_TRIES = 8;
const MAX_WAIT_S = 30;
const MAX_TOTAL_WAIT_S = 180;

/**
 * Why a request failed, for the user.
 * @typedef {object} Problem
 * @property {string} title
 * @property {string} detail
 * @property {string} code
 * @property {string} lang Language of title and detail.
 * @property {boolean} mayPass Whether the same file may be read when it is sent again.
 */

/** @param {number} status No response, or one that is not about the file. */
const mayPass = (status) => status < 400 || status >= 500 || [401, 404, 408, 429].includes(status);

export class ProblemError extends Error {
  /**
   * @param {Omit<Problem, "mayPass">} problem
   * @param {number} status 0 without a response.
   * @param {number} retryAfter Seconds; 0 if retrying would not help.
   */
  constructor(problem, status = 0, retryAfter = 0) {
    super(problem.title);
    this.problem = { ...problem, mayPass: mayPass(status) };
    this.status = status;
    this.retryAfter = retryAfter;
  }
}

/**
 * @typedef {object} Options
 * @property {Record<string, string>} [fields] Form fields besides the file.
 * @property {AbortSignal} [signal]
 * @property {(share: number) => void} [onProgress] Called with the fraction sent, 0 to 1.
 * @property {(seconds: number) => void} [onWait] Called each second until the next attempt.
 */

/**
 * Send a file; retry while the service is busy, and ask the user for the key if one is required.
 * @param {string} path
 * @param {Blob} file
 * @param {Options} [options]
 * @returns {Promise<Blob>}
 * @throws {ProblemError | DOMException} The latter when the signal aborts.
 */
export async function send(path, file, options = {}) {
  let waited = 0;
  for (let attempt = 1; ; attempt += 1) {
    const key = currentKey();
    try {
      return await sendOnce(path, file, key, options);
    } catch (error) {
      if (!(error instanceof ProblemError)) throw error;
      if (error.status === 401) {
        if (!(await requestKey(key))) throw pageProblem("key", "unauthorized");
        continue;
      }
      const wait = error.retryAfter;
      if (!wait || wait > MAX_WAIT_S || waited + wait > MAX_TOTAL_WAIT_S || attempt >= MAX_TRIES) {
        throw error;
      }
      waited += wait;
      await countDown(wait, options);
    }
  }
}

/** @returns {Promise<Blob>} */
function sendOnce(path, file, key, { fields = {}, signal, onProgress }) {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  // File names often contain patient names: this one is not sent.
  form.append("file", file, "radiograph");
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest(); // fetch reports no upload progress
    request.open("POST", path);
    request.responseType = "blob";
    request.setRequestHeader("Accept-Language", language());
    if (key) request.setRequestHeader("Authorization", `Bearer ${key}`);
    request.upload.onprogress = (event) => onProgress?.(event.loaded / event.total);
    request.onload = () => {
      if (request.status === 200) resolve(request.response);
      else parseProblem(request).then(reject);
    };
    request.onerror = () => reject(pageProblem("network", "no_answer"));
    request.onabort = () => reject(new DOMException("Removed", "AbortError"));
    if (signal?.aborted) request.onabort();
    else {
      signal?.addEventListener("abort", () => request.abort(), { once: true });
      request.send(form);
    }
  });
}

/** @param {XMLHttpRequest} request */
async function parseProblem(request) {
  const { status } = request;
  const busy = status === 503 || status === 429;
  const retryAfter = busy ? Number(request.getResponseHeader("Retry-After")) || 0 : 0;
  try {
    const { title, detail, code } = JSON.parse(await request.response.text());
    const lang = request.getResponseHeader("Content-Language") ?? "en";
    if (title && detail) return new ProblemError({ title, detail, code, lang }, status, retryAfter);
  } catch {
    // A proxy may respond with its own page.
  }
  return pageProblem("answer", "unexpected_answer", status, retryAfter);
}

/**
 * A problem that the page itself reports.
 * @param {"network" | "answer" | "key"} kind
 */
export function pageProblem(kind, code, status = 0, retryAfter = 0) {
  const detail = t(`${kind}_detail`, { status });
  const problem = { title: t(`${kind}_title`), detail, code, lang: language() };
  return new ProblemError(problem, status, retryAfter);
}

/** Wait and report the remaining seconds. */
async function countDown(seconds, { signal, onWait }) {
  for (let remaining = seconds; remaining > 0; remaining -= 1) {
    signal?.throwIfAborted();
    onWait?.(remaining);
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
  signal?.throwIfAborted();
}
