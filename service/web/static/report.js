/** The PDF of one radiograph. */

import { ProblemError, send } from "./http.js";
import { write } from "./parts.js";
import { save } from "./save.js";
import { language, t } from "./texts.js";

/** @param {import("./cases.js").Case} one */
export function bindReport(one, parts) {
  for (const name of ["reference", "note"]) {
    parts[name].value = one[name];
    parts[name].addEventListener("input", () => {
      one[name] = parts[name].value;
    });
  }
  const button = parts["report-button"];
  const words = parts["report-words"];
  parts.report.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (button.getAttribute("aria-disabled") === "true") return;
    button.setAttribute("aria-disabled", "true"); // "disabled" would take the focus away
    write(words, t("report_making"));
    try {
      const { reference, note } = one;
      const answer = await send(`report?lang=${language()}`, one.file, {
        fields: { reference, note },
        signal: one.gone.signal,
      });
      save(answer, `pneumonia-xray-${one.verdict.image.sha256.slice(0, 8)}.pdf`);
      write(words, t("report_done"));
    } catch (error) {
      if (error instanceof ProblemError) {
        write(words, t("report_failed", { detail: error.problem.detail }));
      }
    } finally {
      button.removeAttribute("aria-disabled");
    }
  });
}
