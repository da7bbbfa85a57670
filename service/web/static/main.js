/** Assembles the page. All data is in the memory of this tab only. */

import { Cases } from "./cases.js";
import { table } from "./csv.js";
import { showDetail } from "./detail.js";
import { announce, element } from "./dom.js";
import { download } from "./download.js";
import { onFilesChosen, onFilesDroppedOrPasted } from "./file-input.js";
import { bindLanguage } from "./language.js";
import { hide, offerUndo, showUnreadable } from "./notices.js";
import { predict } from "./predict.js";
import { previewByBrowser } from "./preview.js";
import { showRows } from "./rows.js";
import { countText, language, readTexts, t } from "./texts.js";

const cases = new Cases();
let listeners = new AbortController();

/** @type {import("./file-input.js").AddFiles} */
function addFiles(found, unreadable) {
  if (element("key-dialog").open) return;
  hide("unreadable");
  if (unreadable.length > 0 || found.length === 0) showUnreadable(found.length, unreadable);
  if (found.length === 0) return;
  const added = cases.add(found);
  announce(t("announce_added", { count: countText(added.length) }));
  added.forEach(read);
}

/** @param {import("./cases.js").Case} item */
function read(item) {
  predict(cases, item);
  if (!item.preview) previewByBrowser(cases, item);
}

/** Attach all listeners to the current document. */
function mount() {
  listeners.abort();
  listeners = new AbortController();
  readTexts();
  onFilesChosen(addFiles);
  showRows(cases, listeners.signal);
  showDetail(cases, listeners.signal);
  offerUndo(cases, listeners.signal);
  bindLanguage(mount);
  element("csv").addEventListener("click", () => {
    const text = table(cases.all, language());
    download(new Blob([text], { type: "text/csv" }), "pneumonia-xray.csv");
  });
  const layout = () => {
    const hasCases = cases.all.length > 0;
    document.body.classList.toggle("busy", hasCases);
    element("workspace").hidden = !hasCases;
  };
  cases.addEventListener("list", layout, { signal: listeners.signal });
  layout();
}

mount();
onFilesDroppedOrPasted(addFiles);
cases.addEventListener("restore", ({ detail }) => detail.forEach(read));
addEventListener("beforeunload", (event) => {
  if (cases.all.some((item) => item.verdict)) event.preventDefault();
});
