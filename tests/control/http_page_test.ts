import { deepEqual, equal, ok } from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { HTTP_OPTIONS } from "../../control/http/options.ts";
import { ApiRig } from "./http_rig.ts";
import { JOB, ScriptedJob } from "./scripted_job.ts";

const PAGE = readFileSync(new URL("../../docs/http_api.md", import.meta.url), "utf8");
const TOKEN = "0123456789abcdef";

/** A call of curl, as a request. */
interface Call {
  readonly path: string;
  readonly method: string;
  readonly headers: Record<string, string>;
  readonly body?: string;
}

/** The words of a command line: plain, or in quotes. */
function wordsOf(line: string): string[] {
  return [...line.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)].map(([, single, double, plain]) => {
    return single ?? double ?? plain ?? "";
  });
}

function callOf(line: string): Call {
  const words = wordsOf(
    line.replaceAll("$JOB", JOB).replaceAll("$REQUEST", "1".repeat(32)).replaceAll("$TOKEN", TOKEN),
  );
  const headers: Record<string, string> = {};
  let [method, path, body] = ["GET", "", undefined as string | undefined];
  for (let at = 1; at < words.length; at++) {
    const word = words[at] ?? "";
    if (word === "-X") method = words[++at] ?? "";
    else if (word === "-d") body = words[++at];
    else if (word === "-H") {
      const [name = "", value = ""] = (words[++at] ?? "").split(": ");
      headers[name.toLowerCase()] = value;
    } else if (word !== "-s") path = word.replace("http://127.0.0.1:8081", "");
  }
  return { method, path, headers, ...(body === undefined ? {} : { body }) };
}

test("each curl of docs/http_api.md does what the page says", async () => {
  const blocks = [...PAGE.matchAll(/```sh\n(.*?)```/gs)].map(([, code = ""]) => code.replaceAll(/\s*\\\n\s*/g, " "));
  const lines = blocks.flatMap((code) => code.split("\n")).map((line) => line.trim()).filter((line) => {
    return line.startsWith("curl ");
  });
  ok(lines.length >= 10, `${lines.length} calls`);
  for (const line of lines) {
    const { path, method, headers, body } = callOf(line);
    const rig = new ApiRig({ settings: { token: "authorization" in headers ? TOKEN : null } });
    rig.add(new ScriptedJob());
    rig.operations.start("savepoint", JOB, "1".repeat(32), () => Promise.resolve({ path: "/savepoints/a" }));
    await rig.clock.settle();
    const ask = body === undefined ? { method, headers } : { method, headers, body };
    const answer = await rig.ask(path, ask);
    ok(answer.status === 200 || answer.status === 202, `${line}: ${answer.status} ${JSON.stringify(answer.body)}`);
  }
});

test("docs/http_api.md lists every request that changes something, with its fields, and every status of an error", async () => {
  const { paths } = await new ApiRig().document();
  const documented = new Set<string>();
  for (const [path, operations] of Object.entries(paths)) {
    for (const [method, { responses }] of Object.entries(operations)) {
      for (const status of Object.keys(responses)) if (Number(status) >= 300) documented.add(status);
      if (method === "get") continue;
      const line = `\`${method.toUpperCase()} ${path.replace("{jobId}", "$JOB")}`;
      ok(PAGE.includes(line), `${line} is not on the page`);
    }
  }
  const told = [...PAGE.matchAll(/^\| (\d{3}) /gm)].map(([, status = ""]) => status);
  deepEqual(told.toSorted(), [...documented].toSorted());
});

test("docs/http_api.md names options that exist", () => {
  const keys = new Set(HTTP_OPTIONS.map(({ key }) => key));
  const named = [...PAGE.matchAll(/\b(?:rest|web)\.[\w.-]*\w/g)].map(([key]) => key);
  ok(named.length > 5);
  for (const key of named) equal(keys.has(key), true, key);
});
