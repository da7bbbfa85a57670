/** Helpers for the document: templates, texts, images and custom properties. */

/** @param {string} id */
export const element = (id) => document.getElementById(id);

/**
 * Clone a template.
 * @param {string} id
 * @returns {{ nodes: DocumentFragment, parts: Record<string, any> }} The clone, and its
 *   elements with data-part.
 */
export function cloneTemplate(id) {
  const nodes = element(id).content.cloneNode(true);
  const parts = {};
  for (const node of nodes.querySelectorAll("[data-part]")) parts[node.dataset.part] = node;
  return { nodes, parts };
}

/**
 * Set custom properties for the style sheet.
 * @param {HTMLElement} node
 * @param {Record<string, string | number>} values By name, without the dashes.
 */
export function setProperties(node, values) {
  for (const [name, value] of Object.entries(values)) node.style.setProperty(`--${name}`, value);
}

/**
 * Set a text only if it changes: screen readers would announce it again.
 * @param {HTMLElement} node
 * @param {string} text
 */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/**
 * Show a path in full; lines break at its parts.
 * @param {HTMLElement} node
 * @param {string} name
 */
export function setName(node, name) {
  const pieces = name.split(/(?<=[/_\-. ])/).flatMap((piece) => [piece, document.createElement("wbr")]);
  node.replaceChildren(...pieces);
}

/**
 * Show a picture, or hide the image without a URL.
 * @param {HTMLImageElement} image
 * @param {string | null} url
 * @param {string} [alt] Empty if it is decorative.
 */
export function setImage(image, url, alt = "") {
  image.alt = alt;
  image.hidden = !url;
  if (url && image.getAttribute("src") !== url) image.src = url;
}

/** @param {string} text Announced by screen readers. */
export function announce(text) {
  const live = element("live");
  const line = document.createElement("p");
  line.textContent = text;
  live.append(line);
  while (live.childElementCount > 6) live.firstElementChild.remove();
}
