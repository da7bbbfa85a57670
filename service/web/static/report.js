/** The PDF report of one radiograph. */

import { setText } from "./dom.js";
import { download } from "./download.js";
import { ProblemError, send } from "./http.js";
import { language, t } from "./texts.js";

/**
 * The path within the drop, as the name of a file; its end if it is long. The digest tells films of
 * one name apart.
 * @param {import("./cases.js").Case} item
 */
function fileName({ name, verdict }) {
  const stem = name.replace(/\.[^./]{1,5}$/, "").replaceAll("/", "_");
  const safe = stem.replace(/[\p{C}\\:*?"<>|\s]+/gu, "-").slice(-80);
  return `${safe}-${verdict.image.sha256.slice(0, 8)}`;
}

/** @param {import("./cases.js").Case} item */
export function bindReport(item, parts) {
  for (const name of ["reference", "note"]) {
    parts[name].value = item[name];
    parts[name].addEventListener("input", () => {
      item[name] = parts[name].value;
    });
  }
  const button = parts["report-button"];
  const status = parts["report-status"];
  parts.report.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (button.getAttribute("aria-disabled") === "true") return;
    button.setAttribute("aria-disabled", "true"); // "disabled" would lose the focus
    setText(status, t("report_making"));
    try {
      const { reference, note } = item;
      const answer = await send(`report?lang=${language()}`, item.file, {
        fields: { reference, note },
        signal: item.removed.signal,
      });
      download(answer, `pneumonia-xray-${fileName(item)}.pdf`);
      setText(status, t("report_done"));
    } catch (error) {
      if (error instanceof ProblemError) {
        setText(status, t("report_failed", { detail: error.problem.detail }));
      }
    } finally {
      button.removeAttribute("aria-disabled");
    }
  });
}
