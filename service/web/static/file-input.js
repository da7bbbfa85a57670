/** Files that the user chooses, drops or pastes. */

import { element } from "./dom.js";

/**
 * Listen to the window, once for the lifetime of the page.
 * @param {(files: File[]) => void} addFiles
 */
export function onFilesDroppedOrPasted(addFiles) {
  const hasFiles = (event) => event.dataTransfer?.types.includes("Files") ?? false;
  const setDragging = (on) => document.body.classList.toggle("dragging", on);
  addEventListener("dragover", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault(); // otherwise the browser would open the file
    event.dataTransfer.dropEffect = "copy";
    setDragging(true);
  });
  addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) setDragging(false);
  });
  addEventListener("drop", async (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    setDragging(false);
    addFiles(await droppedFiles(event.dataTransfer));
  });
  addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length > 0) addFiles(files);
  });
}

/**
 * Listen to the file field of the current document.
 * @param {(files: File[]) => void} addFiles
 */
export function onFilesChosen(addFiles) {
  const field = element("files");
  field.addEventListener("change", () => {
    const files = [...field.files];
    field.value = ""; // so that the same file can be chosen again
    addFiles(files);
  });
}

/**
 * All files, including those in folders, in the order of their paths.
 * @param {DataTransfer} transfer
 * @returns {Promise<File[]>}
 */
async function droppedFiles(transfer) {
  const items = [...transfer.items].filter((item) => item.kind === "file");
  // Read both lists before the first await: the browser clears them after the event.
  const entries = items.map((item) => item.webkitGetAsEntry?.());
  const files = items.map((item) => item.getAsFile());
  const found = entries.map((entry, index) =>
    entry?.isDirectory ? filesIn(entry) : files[index] ? [files[index]] : [],
  );
  return (await Promise.all(found)).flat();
}

/**
 * @param {FileSystemEntry} entry
 * @returns {Promise<File[]>}
 */
async function filesIn(entry) {
  // A DICOMDIR lists the files beside it, which are read themselves.
  if (entry.name.startsWith(".") || entry.name === "DICOMDIR") return [];
  if (entry.isFile) return [await new Promise((resolve, reject) => entry.file(resolve, reject))];
  const reader = entry.createReader();
  const children = [];
  for (;;) {
    const batch = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (batch.length === 0) break;
    children.push(...batch);
  }
  children.sort((one, other) => one.name.localeCompare(other.name, undefined, { numeric: true }));
  return (await Promise.all(children.map(filesIn))).flat();
}
