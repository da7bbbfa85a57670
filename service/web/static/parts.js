/** Pieces of the page: copied from its templates, found by name, drawn by custom properties. */

/** @param {string} id */
export const element = (id) => document.getElementById(id);

/**
 * Copy a template.
 * @param {string} id
 * @returns {{ nodes: DocumentFragment, parts: Record<string, any> }} The copy, and what it marks
 *   with data-part.
 */
export function copyOf(id) {
  const nodes = element(id).content.cloneNode(true);
  const parts = {};
  for (const node of nodes.querySelectorAll("[data-part]")) parts[node.dataset.part] = node;
  return { nodes, parts };
}

/**
 * Hand figures to the style sheet.
 * @param {HTMLElement} node
 * @param {Record<string, string | number>} values By custom property, without the dashes.
 */
export function draw(node, values) {
  for (const [name, value] of Object.entries(values)) node.style.setProperty(`--${name}`, value);
}

/**
 * Write into a node only what is new: screen readers repeat what is written again.
 * @param {HTMLElement} node
 * @param {string} text
 */
export function write(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/**
 * Show a picture, or none.
 * @param {HTMLImageElement} image
 * @param {string | null} address
 * @param {string} [words] What it shows; nothing for a mere ornament.
 */
export function picture(image, address, words = "") {
  image.alt = words;
  image.hidden = !address;
  if (address && image.getAttribute("src") !== address) image.src = address;
}

/** @param {string} text Told to screen readers, and kept for a while. */
export function announce(text) {
  const live = element("live");
  const line = document.createElement("p");
  line.textContent = text;
  live.append(line);
  while (live.childElementCount > 6) live.firstElementChild.remove();
}
