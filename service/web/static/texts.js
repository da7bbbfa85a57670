/** The words of the page in its language; the page itself brings them along. */

/** @type {Record<string, string>} */
let words = {};

/** Read the words of the document as it stands now. */
export function readTexts() {
  words = JSON.parse(document.getElementById("texts").textContent);
}

/** @returns {string} "es" or "en" */
export const language = () => document.documentElement.lang;

/**
 * A text with its {placeholders} filled in.
 * @param {string} key
 * @param {Record<string, string | number>} [values]
 */
export function t(key, values = {}) {
  return words[key].replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
}

/**
 * A text that exists for some names only, such as those of classes and networks.
 * @param {string} key
 * @param {string} fallback
 */
export const optional = (key, fallback) => words[key] ?? fallback;

/** @param {number} count */
export const radiographs = (count) =>
  count === 1 ? t("count_one") : t("count_many", { count });

/**
 * A probability with all the decimals of the API, written as the language does.
 * @param {number} value
 */
export const figure = (value) =>
  value.toLocaleString(language(), { minimumFractionDigits: 4, maximumFractionDigits: 4 });
