/** Assembles the page. All data is in the memory of this tab only. */

import { Cases } from "./cases.js";
import { table } from "./csv.js";
import { showDetail } from "./detail.js";
import { announce, element } from "./dom.js";
import { download } from "./download.js";
import { onFilesChosen, onFilesDroppedOrPasted } from "./file-input.js";
import { bindLanguage } from "./language.js";
import { predict } from "./predict.js";
import { previewByBrowser } from "./preview.js";
import { showRows } from "./rows.js";
import { countText, readTexts, t } from "./texts.js";

const cases = new Cases();
let listeners = new AbortController();

/** @param {File[]} files */
function addFiles(files) {
  if (files.length === 0 || element("key-dialog").open) return;
  const added = cases.add(files);
  announce(t("announce_added", { count: countText(files.length) }));
  for (const item of added) {
    predict(cases, item);
    previewByBrowser(cases, item);
  }
}

/** Attach all listeners to the current document. */
function mount() {
  listeners.abort();
  listeners = new AbortController();
  readTexts();
  onFilesChosen(addFiles);
  showRows(cases, listeners.signal);
  showDetail(cases, listeners.signal);
  bindLanguage(mount);
  element("csv").addEventListener("click", () => {
    download(new Blob([table(cases.all)], { type: "text/csv" }), "pneumonia-xray.csv");
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
addEventListener("beforeunload", (event) => {
  if (cases.all.some((item) => item.verdict)) event.preventDefault();
});
