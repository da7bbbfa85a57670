// Calls every operation of a generated client, and prints what it got as JSON.
// `call_service.js URL FILM OPERATIONS`, the last one a JSON list of those that take a file.
import { readFileSync } from "node:fs";
import { client } from "./client/client.gen";
import * as sdk from "./client";

type Result = { data?: unknown; error?: unknown; response: Response };
type Operation = (options: object) => Promise<Result>;

const [url, film, uploads] = process.argv.slice(2) as [string, string, string];
client.setConfig({ baseUrl: url });

async function call(name: string, content: BlobPart): Promise<object> {
  const file = new File([content], "film.dcm", { type: "application/dicom" });
  const takesFile = (JSON.parse(uploads) as string[]).includes(name);
  // The client guesses how to read an answer, and knows no multipart/related.
  const parse = name === "makeDicomResults" ? { parseAs: "blob" } : {};
  const options = takesFile ? { body: { file, files: [file] }, ...parse } : {};
  const { data, error, response } = await (sdk as unknown as Record<string, Operation>)[name]!(options);
  const got = data ?? error;
  const start = got instanceof Blob ? Buffer.from(await got.slice(0, 4).arrayBuffer()).toString("latin1") : "";
  return {
    status: response.status,
    kind: (response.headers.get("content-type") ?? "").split(";")[0],
    parsed: got instanceof Blob || typeof got === "string" ? null : got,
    start: start || String(got).slice(0, 4),
  };
}

// One operation with its types, as a program would use it: this must compile.
async function typed(): Promise<{ probability: number; refused: string[] }> {
  const file = new File([new Uint8Array(readFileSync(film))], "film.dcm");
  const verdict = await sdk.screenRadiograph({ body: { file } });
  if (verdict.error) throw new Error(verdict.error.code);
  const { error } = await sdk.drawExplanation({ body: { file }, query: { layer: "map", opacity: 2 } });
  const refused = (error?.errors ?? []).map((one) => one.loc.join("."));
  return { probability: verdict.data.probability, refused };
}

async function main(): Promise<void> {
  const results: Record<string, object> = {};
  for (const [name, value] of Object.entries(sdk)) {
    if (typeof value !== "function") continue;
    results[name] = { film: await call(name, new Uint8Array(readFileSync(film))), text: await call(name, "no film") };
  }
  console.log(JSON.stringify({ ...(await typed()), results }));
}

void main();
