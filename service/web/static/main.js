/** Puts the page together. What it knows lives in this tab's memory and ends with it. */

import { Cases } from "./cases.js";
import { table } from "./csv.js";
import { showDetail } from "./detail.js";
import { listenForFiles, listenToField } from "./intake.js";
import { bindLanguage } from "./language.js";
import { announce, element } from "./parts.js";
import { previewByBrowser } from "./preview.js";
import { read } from "./reading.js";
import { showRows } from "./rows.js";
import { save } from "./save.js";
import { radiographs, readTexts, t } from "./texts.js";

const cases = new Cases();
let mounted = new AbortController();

/** @param {File[]} files */
function take(files) {
  if (files.length === 0 || element("key-dialog").open) return;
  const added = cases.add(files);
  announce(t("announce_added", { count: radiographs(files.length) }));
  for (const one of added) {
    read(cases, one);
    previewByBrowser(cases, one);
  }
}

/** Bring the document to life, as it stands now. */
function mount() {
  mounted.abort();
  mounted = new AbortController();
  readTexts();
  listenToField(take);
  showRows(cases, mounted.signal);
  showDetail(cases, mounted.signal);
  bindLanguage(mount);
  element("csv").addEventListener("click", () => {
    save(new Blob([table(cases.all)], { type: "text/csv" }), "pneumonia-xray.csv");
  });
  const layout = () => {
    const busy = cases.all.length > 0;
    document.body.classList.toggle("busy", busy);
    element("workspace").hidden = !busy;
  };
  cases.addEventListener("list", layout, { signal: mounted.signal });
  layout();
}

mount();
listenForFiles(take);
addEventListener("beforeunload", (event) => {
  if (cases.all.some((one) => one.verdict)) event.preventDefault();
});
