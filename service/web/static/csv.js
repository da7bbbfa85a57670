/** The list as a table for spreadsheets (RFC 4180), in the form that those of a language read. */

const BOM = "\ufeff"; // makes spreadsheets read UTF-8

/** Spreadsheets in Spanish take a comma for the decimal sign, and a semicolon between cells. */
const FORMS = { en: { separator: ",", decimal: "." }, es: { separator: ";", decimal: "," } };

/**
 * Quote a cell. Spreadsheets would run a file name that begins like a formula.
 * @param {unknown} value
 */
export function cell(value) {
  let text = String(value ?? "");
  if (/^\s*[=+\-@\uff1d\uff0b\uff0d\uff20\t\r\n]/.test(text)) text = `'${text}`;
  return /[",;\r\n\t]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/**
 * One line for each radiograph that has a verdict or a problem.
 * @param {import("./cases.js").Case[]} cases
 * @param {string} language "es" or "en"
 */
export function table(cases, language) {
  const { separator, decimal } = FORMS[language];
  const written = (value) => (typeof value === "number" ? String(value).replace(".", decimal) : value);
  const answered = cases.filter(({ verdict, problem }) => verdict || problem);
  const names = new Set(answered.flatMap(({ verdict }) => verdict?.members ?? []).map((m) => m.name));
  const columns = [
    ["file", (item) => item.name],
    ["assessment", (item) => item.verdict?.assessment],
    ["predicted_class", (item) => item.verdict?.predicted_class],
    ["probability", (item) => item.verdict?.probability],
    ["threshold", (item) => item.verdict?.threshold],
    ...[...names].map((name) => [
      `probability_${name}`,
      (item) => item.verdict?.members.find((member) => member.name === name)?.probability,
    ]),
    ["model_name", (item) => item.verdict?.model.name],
    ["model_version", (item) => item.verdict?.model.version],
    ["model_digest", (item) => item.verdict?.model.digest],
    ["format", (item) => item.verdict?.image.format],
    ["width", (item) => item.verdict?.image.width],
    ["height", (item) => item.verdict?.image.height],
    ["sha256", (item) => item.verdict?.image.sha256],
    ["request_id", (item) => item.verdict?.request_id],
    ["answered_at", (item) => item.verdict && item.at.toISOString()],
    ["warnings", (item) => item.verdict?.warnings?.map(({ code }) => code).join(" ")],
    ["error", (item) => item.problem?.code],
  ];
  const lines = [columns.map(([name]) => cell(name))];
  for (const item of answered) lines.push(columns.map(([, value]) => cell(written(value(item)))));
  return BOM + lines.map((line) => `${line.join(separator)}\r\n`).join("");
}
