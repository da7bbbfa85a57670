/** The files of a drop: those in its folders too, each with its path within the drop. */

/**
 * A file, and its path within what was dropped or chosen.
 * @typedef {{ file: File, path: string }} Found
 */

/** What systems and programs leave beside radiographs; nobody means to send it. */
const IGNORED_FILES = /^(\.|~\$|thumbs\.db$|ehthumbs\.db$|desktop\.ini$|dicomdir$)/i;
const IGNORED_FOLDERS = /^(\.|__macosx$|\$recycle\.bin$|system volume information$)/i;

/**
 * @param {File[]} files Chosen or pasted.
 * @returns {Found[]}
 */
export const chosenFiles = (files) =>
  files
    .filter(({ name }) => !IGNORED_FILES.test(name))
    .map((file) => ({ file, path: file.webkitRelativePath || file.name }));

/**
 * All files, in the order of their paths. What cannot be read does not keep back the rest.
 * @param {DataTransfer} transfer
 * @returns {Promise<{ found: Found[], unreadable: string[] }>} The latter are paths.
 */
export async function droppedFiles(transfer) {
  const items = [...transfer.items].filter((item) => item.kind === "file");
  // Read both lists before the first await: the browser clears them after the event.
  const entries = items.map((item) => item.webkitGetAsEntry?.());
  const files = items.map((item) => item.getAsFile());
  const unreadable = [];
  const found = entries.map((entry, index) => {
    if (entry?.isDirectory) return filesIn(entry, "", unreadable);
    return files[index] ? chosenFiles([files[index]]) : [];
  });
  return { found: (await Promise.all(found)).flat(), unreadable };
}

/**
 * @param {FileSystemEntry} entry
 * @param {string} folder The path that it lies in, with a slash at its end.
 * @param {string[]} unreadable Gathers the paths that cannot be read.
 * @returns {Promise<Found[]>}
 */
async function filesIn(entry, folder, unreadable) {
  const path = folder + entry.name;
  try {
    if (entry.isFile) {
      if (IGNORED_FILES.test(entry.name)) return [];
      return [{ file: await promised(entry, "file"), path }];
    }
    const children = await childrenOf(entry, () => unreadable.push(path));
    if (IGNORED_FOLDERS.test(entry.name)) return [];
    return (await Promise.all(children.map((child) => filesIn(child, `${path}/`, unreadable)))).flat();
  } catch {
    unreadable.push(path);
    return [];
  }
}

/**
 * @param {FileSystemDirectoryEntry} folder
 * @param {() => void} onError Called if it cannot be listed; what was listed before is returned.
 */
async function childrenOf(folder, onError) {
  const reader = folder.createReader();
  const children = [];
  try {
    for (;;) {
      const batch = await promised(reader, "readEntries");
      if (batch.length === 0) break;
      children.push(...batch);
    }
  } catch {
    onError();
  }
  return children.sort((one, other) =>
    one.name.localeCompare(other.name, undefined, { numeric: true }),
  );
}

const promised = (object, method) =>
  new Promise((resolve, reject) => object[method](resolve, reject));
