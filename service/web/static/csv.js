/** The list as a table for spreadsheets (RFC 4180). */

const BOM = "\ufeff"; // tells spreadsheets that this is UTF-8

/**
 * A cell. Spreadsheets run what begins like a formula, whoever named the file.
 * @param {unknown} value
 */
export function cell(value) {
  let text = String(value ?? "");
  if (/^[=+\-@\t\r\n]/.test(text)) text = `'${text}`;
  return /[",;\r\n\t]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/**
 * One line for each radiograph that has an answer, good or bad.
 * @param {import("./cases.js").Case[]} cases
 */
export function table(cases) {
  const answered = cases.filter(({ verdict, problem }) => verdict || problem);
  const names = new Set(answered.flatMap(({ verdict }) => verdict?.members ?? []).map((m) => m.name));
  const columns = [
    ["file", (one) => one.name],
    ["predicted_class", (one) => one.verdict?.predicted_class],
    ["probability", (one) => one.verdict?.probability],
    ["threshold", (one) => one.verdict?.threshold],
    ...[...names].map((name) => [
      `probability_${name}`,
      (one) => one.verdict?.members.find((member) => member.name === name)?.probability,
    ]),
    ["model_name", (one) => one.verdict?.model.name],
    ["model_version", (one) => one.verdict?.model.version],
    ["model_digest", (one) => one.verdict?.model.digest],
    ["format", (one) => one.verdict?.image.format],
    ["width", (one) => one.verdict?.image.width],
    ["height", (one) => one.verdict?.image.height],
    ["sha256", (one) => one.verdict?.image.sha256],
    ["request_id", (one) => one.verdict?.request_id],
    ["answered_at", (one) => one.verdict && one.at.toISOString()],
    ["error", (one) => one.problem?.code],
  ];
  const lines = [columns.map(([name]) => cell(name))];
  for (const one of answered) lines.push(columns.map(([, value]) => cell(value(one))));
  return BOM + lines.map((line) => `${line.join(",")}\r\n`).join("");
}
