/** The texts of the page in its language; they are part of the document. */

/** @type {Record<string, string>} */
let texts = {};

/** Read the texts of the current document. */
export function readTexts() {
  texts = JSON.parse(document.getElementById("texts").textContent);
}

/** @returns {string} "es" or "en" */
export const language = () => document.documentElement.lang;

/**
 * The reader's own variant of the page's language, for dates: en-GB writes 17:00 where en-US has 5 PM.
 * @returns {string}
 */
export const locale = () =>
  navigator.languages.find((each) => each.split("-")[0] === language()) ?? language();

/**
 * A text with its {placeholders} filled in.
 * @param {string} key
 * @param {Record<string, string | number>} [values]
 */
export function t(key, values = {}) {
  return texts[key].replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
}

/**
 * A text that may be missing, such as that of a class or a network.
 * @param {string} key
 * @param {string} fallback
 */
export const textOr = (key, fallback) => texts[key] ?? fallback;

/** @param {number} count */
export const countText = (count) =>
  count === 1 ? t("count_one") : t("count_many", { count });

/**
 * Format a probability with the decimals of the API and the separator of the language.
 * @param {number} value
 */
export const formatProbability = (value) =>
  value.toLocaleString(language(), { minimumFractionDigits: 4, maximumFractionDigits: 4 });
