/** The detail view of one radiograph: picture and heat map, verdict, networks, provenance. */

import { cloneTemplate, element, setImage, setName, setProperties, setText } from "./dom.js";
import { bindOverlay, loadMap, updateOverlay } from "./heatmap.js";
import { classText, predict, thresholdText, toggleSide } from "./predict.js";
import { sharpen } from "./preview.js";
import { bindReport } from "./report.js";
import { stateText } from "./rows.js";
import { formatProbability, language, locale, t, textOr } from "./texts.js";
import { bindViewer } from "./viewer.js";

/**
 * @param {import("./cases.js").Cases} cases
 * @param {AbortSignal} signal Removes the listeners.
 */
export function showDetail(cases, signal) {
  let shown = null;
  let parts = {};

  const refresh = () => {
    if (!shown) return;
    update(shown, parts, element("detail"));
    if (shown.state === "done") loadMap(cases, shown);
  };
  const rebuild = () => {
    if (cases.shown === shown) {
      if (shown) bindSteps(cases, shown, parts);
      return;
    }
    shown = cases.shown;
    if (shown) {
      const copy = cloneTemplate("case-template");
      parts = copy.parts;
      setName(parts.name, shown.name);
      setText(parts["viewer-name"], shown.name);
      setText(parts.whose, t("whose", { name: shown.name }));
      const current = shown;
      parts.retry.addEventListener("click", () => {
        predict(cases, current);
        element("detail").focus({ preventScroll: true }); // the button disappears
      });
      bindViewer(parts, refresh, () => sharpen(cases, current));
      bindOverlay(parts);
      bindSteps(cases, current, parts);
      bindReport(current, parts);
      element("detail").replaceChildren(copy.nodes);
      refresh();
    } else {
      element("detail").replaceChildren();
    }
  };

  cases.addEventListener("list", rebuild, { signal });
  cases.addEventListener("change", ({ detail }) => detail === shown && refresh(), {
    signal,
  });
  rebuild();
}

/** Connect the buttons to the radiographs before and after. */
function bindSteps(cases, item, parts) {
  const place = cases.all.indexOf(item);
  setText(parts.place, t("place", { number: place + 1, count: cases.all.length }));
  parts.steps.hidden = cases.all.length < 2;
  for (const [name, step] of Object.entries({ "step-back": -1, "step-on": 1 })) {
    const neighbour = cases.all[place + step];
    parts[name].disabled = !neighbour;
    parts[name].onclick = () => {
      cases.show(neighbour);
      const again = element("detail").querySelector(`[data-part=${name}]`);
      (again.disabled ? element("detail") : again).focus({ preventScroll: true });
    };
  }
}

/** @param {import("./cases.js").Case} item */
function update(item, parts, detail) {
  const done = item.state === "done";
  const failed = item.state === "failed";
  toggleSide(detail, done ? item : null);
  parts.working.hidden = done || failed;
  parts.problem.hidden = !failed;
  if (!done && !failed) {
    setText(parts["working-text"], stateText(item, "class"));
    // Without a value the progress bar is indeterminate.
    if (item.state === "sending") parts["working-bar"].value = item.sent;
    else parts["working-bar"].removeAttribute("value");
  }
  if (failed) showProblem(item.problem, parts);
  setImage(parts.picture, item.preview, t("picture", { name: item.name }));
  setImage(parts["plain-picture"], item.preview);
  parts.tools.hidden = !item.preview;
  parts["no-picture"].hidden = !item.previewMissing;
  setText(parts["no-picture"], t("no_picture"));
  if (done && parts.verdict.hidden) showVerdict(item, parts);
  parts.verdict.hidden = !done;
  updateOverlay(item, parts);
}

/** @param {import("./http.js").Problem} problem */
function showProblem(problem, parts) {
  for (const name of ["title", "detail", "code"]) setText(parts[`problem-${name}`], problem[name]);
  parts.retry.hidden = !problem.mayPass;
  parts.problem.lang = problem.lang;
  parts.retry.lang = language();
}

/** @param {import("./cases.js").Case} item */
function showVerdict(item, parts) {
  const { verdict } = item;
  const { threshold, image, model } = verdict;
  setText(parts.class, classText(item));
  setText(parts.summary, item.summary || thresholdText(item));
  parts.summary.lang = item.summary ? item.summaryLang : language();
  showAdvice(verdict, item.summaryLang, parts);
  showGauge(verdict, parts);
  parts.members.replaceChildren(...verdict.members.map((member) => memberLine(member, threshold)));
  setProperties(parts.frame, { shape: `${image.width} / ${image.height}` });
  setText(parts.caption, `${image.format} · ${image.width} × ${image.height} px`);
  const time = item.at.toLocaleTimeString(locale());
  setText(parts.answered, `${model.name} ${model.version} · ${time}`);
  parts.facts.replaceChildren(...facts(item));
}

/** The probability on its scale, with the threshold and the range that is indeterminate. */
function showGauge({ probability, threshold, indeterminate }, parts) {
  const { lower, upper } = indeterminate ?? { lower: threshold, upper: threshold };
  const figures = { probability, threshold, lower, upper };
  const values = Object.fromEntries(
    Object.entries(figures).map(([name, value]) => [name, formatProbability(value)]),
  );
  setText(parts.probability, values.probability);
  setText(parts.threshold, t("threshold", values));
  setText(parts.between, t("between", values));
  for (const part of [parts.range, parts.between]) part.hidden = !indeterminate;
  const label = [t("gauge", values), ...(indeterminate ? [t("gauge_between", values)] : [])];
  parts.gauge.setAttribute("aria-label", label.join(" "));
  setProperties(parts.gauge, { p: probability, t: threshold, lower, upper });
}

/** Warnings, local prevalence, next step and what the model was trained on, in the service's words. */
function showAdvice({ warnings = [], local, next_step: next = "", scope = "" }, lang, parts) {
  parts.warnings.hidden = !warnings.length;
  parts["warning-list"].replaceChildren(
    ...warnings.map(({ code, detail }) => {
      const entry = document.createElement("li");
      entry.textContent = detail;
      entry.dataset.code = code;
      return entry;
    }),
  );
  for (const [name, text] of Object.entries({ local: local?.note ?? "", next, scope })) {
    setText(parts[name], text);
    parts[name].hidden = !text;
  }
  for (const name of ["warning-list", "local", "next", "scope"]) parts[name].lang = lang;
}

function memberLine(member, threshold) {
  const { nodes, parts } = cloneTemplate("member-template");
  setText(parts.name, textOr(`member_${member.name}`, member.name));
  parts.name.title = member.name;
  setText(parts.figure, formatProbability(member.probability));
  setProperties(nodes.firstElementChild, { p: member.probability, t: threshold });
  return nodes;
}

/** @param {import("./cases.js").Case} item */
function facts({ verdict, at }) {
  const { model, image, threshold } = verdict;
  const values = {
    model: model.name,
    version: model.version,
    digest: model.digest,
    threshold: formatProbability(threshold),
    class: verdict.predicted_class,
    format: image.format,
    size: `${image.width} × ${image.height} px`,
    sha256: image.sha256,
    request: verdict.request_id,
    time: at.toLocaleString(locale(), { dateStyle: "long", timeStyle: "long" }),
  };
  return Object.entries(values).map(([name, value]) => {
    const pair = document.createElement("div");
    const term = document.createElement("dt");
    const description = document.createElement("dd");
    term.textContent = t(`fact_${name}`);
    description.textContent = value;
    pair.append(term, description);
    return pair;
  });
}
