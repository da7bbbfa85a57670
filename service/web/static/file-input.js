/** Files that the user chooses, drops or pastes. */

import { element } from "./dom.js";
import { chosenFiles, droppedFiles } from "./dropped.js";

/**
 * Called with what was found, and with the paths of what cannot be read.
 * @callback AddFiles
 * @param {import("./dropped.js").Found[]} found
 * @param {string[]} unreadable
 */

/**
 * Listen to the window, once for the lifetime of the page.
 * @param {AddFiles} addFiles
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
    const { found, unreadable } = await droppedFiles(event.dataTransfer);
    addFiles(found, unreadable);
  });
  addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    if (files.length > 0) addFiles(chosenFiles(files), []);
  });
}

/**
 * Listen to the file field of the current document.
 * @param {AddFiles} addFiles
 */
export function onFilesChosen(addFiles) {
  const field = element("files");
  field.addEventListener("change", () => {
    const files = [...field.files];
    field.value = ""; // so that the same file can be chosen again
    if (files.length > 0) addFiles(chosenFiles(files), []);
  });
}
