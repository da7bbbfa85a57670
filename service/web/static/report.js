/** The PDF report of one radiograph. */

import { setText } from "./dom.js";
import { download } from "./download.js";
import { ProblemError, send } from "./http.js";
import { language, t } from "./texts.js";

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
      download(answer, `pneumonia-xray-${item.verdict.image.sha256.slice(0, 8)}.pdf`);
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
