/** The ways in: chosen, dropped or pasted. */

import { element } from "./parts.js";

/**
 * Listen on the window, once for the life of the page.
 * @param {(files: File[]) => void} take
 */
export function listenForFiles(take) {
  const offered = (event) => event.dataTransfer?.types.includes("Files") ?? false;
  const dragging = (is) => document.body.classList.toggle("dragging", is);
  addEventListener("dragover", (event) => {
    if (!offered(event)) return;
    event.preventDefault(); // without this the browser would leave the page for the file
    event.dataTransfer.dropEffect = "copy";
    dragging(true);
  });
  addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) dragging(false);
  });
  addEventListener("drop", async (event) => {
    if (!offered(event)) return;
    event.preventDefault();
    dragging(false);
    take(await droppedFiles(event.dataTransfer));
  });
  addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length > 0) take(files);
  });
}

/**
 * Listen to the field of the page as it stands now.
 * @param {(files: File[]) => void} take
 */
export function listenToField(take) {
  const field = element("files");
  field.addEventListener("change", () => {
    const files = [...field.files];
    field.value = ""; // so that the same file can be chosen again
    take(files);
  });
}

/**
 * All files, those of folders too, in the order of their paths.
 * @param {DataTransfer} transfer
 * @returns {Promise<File[]>}
 */
async function droppedFiles(transfer) {
  const items = [...transfer.items].filter((item) => item.kind === "file");
  // Both lists must be read before the first wait: the browser empties them after the event.
  const entries = items.map((item) => item.webkitGetAsEntry?.());
  const files = items.map((item) => item.getAsFile());
  const found = entries.map((entry, index) =>
    entry?.isDirectory ? filesOf(entry) : files[index] ? [files[index]] : [],
  );
  return (await Promise.all(found)).flat();
}

/**
 * @param {FileSystemEntry} entry
 * @returns {Promise<File[]>}
 */
async function filesOf(entry) {
  if (entry.name.startsWith(".")) return [];
  if (entry.isFile) return [await new Promise((resolve, reject) => entry.file(resolve, reject))];
  const reader = entry.createReader();
  const children = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) break;
    children.push(...some);
  }
  children.sort((one, other) => one.name.localeCompare(other.name, undefined, { numeric: true }));
  return (await Promise.all(children.map(filesOf))).flat();
}
