/** One radiograph in full: picture and heat map, verdict, networks, provenance. */

import { isAbove } from "./cases.js";
import { bindOverlay, updateOverlay, wantMap } from "./heat.js";
import { copyOf, draw, element, picture, write } from "./parts.js";
import { classWords, read, sideWords } from "./reading.js";
import { bindReport } from "./report.js";
import { stateWords } from "./rows.js";
import { figure, language, optional, t } from "./texts.js";

/**
 * @param {import("./cases.js").Cases} cases
 * @param {AbortSignal} until
 */
export function showDetail(cases, until) {
  let shown = null;
  let parts = {};

  const refresh = () => {
    if (!shown) return;
    update(shown, parts, element("detail"));
    if (shown.state === "done") wantMap(cases, shown);
  };
  const rebuild = () => {
    if (cases.shown === shown) return;
    shown = cases.shown;
    if (shown) {
      const copy = copyOf("case-template");
      parts = copy.parts;
      write(parts.name, shown.name);
      const mine = shown;
      parts.retry.addEventListener("click", () => {
        read(cases, mine);
        element("detail").focus({ preventScroll: true }); // the button goes away
      });
      bindOverlay(parts);
      bindReport(mine, parts);
      element("detail").replaceChildren(copy.nodes);
      refresh();
    } else {
      element("detail").replaceChildren();
    }
  };

  cases.addEventListener("list", rebuild, { signal: until });
  cases.addEventListener("change", ({ detail }) => detail === shown && refresh(), {
    signal: until,
  });
  rebuild();
}

/** @param {import("./cases.js").Case} one */
function update(one, parts, detail) {
  const done = one.state === "done";
  const failed = one.state === "failed";
  detail.classList.toggle("above", done && isAbove(one));
  detail.classList.toggle("below", done && !isAbove(one));
  parts.working.hidden = done || failed;
  parts.problem.hidden = !failed;
  if (!done && !failed) {
    write(parts["working-words"], stateWords(one, "class"));
    // Without a value the bar says "busy".
    if (one.state === "sending") parts["working-bar"].value = one.sent;
    else parts["working-bar"].removeAttribute("value");
  }
  if (failed) writeProblem(one.problem, parts);
  picture(parts.picture, one.preview, t("picture", { name: one.name }));
  parts["no-picture"].hidden = !one.previewMissing;
  write(parts["no-picture"], t("no_picture"));
  if (done && parts.verdict.hidden) writeVerdict(one, parts);
  parts.verdict.hidden = !done;
  updateOverlay(one, parts);
}

/** @param {import("./http.js").Problem} problem */
function writeProblem(problem, parts) {
  for (const name of ["title", "detail", "code"]) write(parts[`problem-${name}`], problem[name]);
  parts.problem.lang = problem.lang;
  parts.retry.lang = language();
}

/** @param {import("./cases.js").Case} one */
function writeVerdict(one, parts) {
  const { verdict } = one;
  const { probability, threshold, image, model } = verdict;
  write(parts.class, classWords(one));
  write(parts.summary, one.summary || sideWords(one));
  parts.summary.lang = one.summary ? one.summaryLang : language();
  write(parts.probability, figure(probability));
  const figures = { probability: figure(probability), threshold: figure(threshold) };
  parts.gauge.setAttribute("aria-label", t("gauge", figures));
  write(parts.threshold, t("threshold", figures));
  draw(parts.gauge, { p: probability, t: threshold });
  parts.members.replaceChildren(...verdict.members.map((member) => memberLine(member, threshold)));
  draw(parts.frame, { shape: `${image.width} / ${image.height}` });
  write(parts.caption, `${image.format} · ${image.width} × ${image.height} px`);
  write(parts.answered, `${model.name} ${model.version} · ${one.at.toLocaleTimeString(language())}`);
  parts.facts.replaceChildren(...facts(one));
}

function memberLine(member, threshold) {
  const { nodes, parts } = copyOf("member-template");
  write(parts.name, optional(`member_${member.name}`, member.name));
  parts.name.title = member.name;
  write(parts.figure, figure(member.probability));
  draw(nodes.firstElementChild, { p: member.probability, t: threshold });
  return nodes;
}

/** @param {import("./cases.js").Case} one */
function facts({ verdict, at }) {
  const { model, image, threshold } = verdict;
  const values = {
    model: model.name,
    version: model.version,
    digest: model.digest,
    threshold: figure(threshold),
    class: verdict.predicted_class,
    format: image.format,
    size: `${image.width} × ${image.height} px`,
    sha256: image.sha256,
    request: verdict.request_id,
    time: at.toLocaleString(language(), { dateStyle: "long", timeStyle: "long" }),
  };
  return Object.entries(values).map(([name, value]) => {
    const pair = document.createElement("div");
    const term = document.createElement("dt");
    const given = document.createElement("dd");
    term.textContent = t(`fact_${name}`);
    given.textContent = value;
    pair.append(term, given);
    return pair;
  });
}
