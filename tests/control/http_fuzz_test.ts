import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { scaled } from "../support/scale.ts";
import { ApiRig } from "./http_rig.ts";
import { JOB, OTHER_JOB, sampleView, ScriptedJob, SINK } from "./scripted_job.ts";

const ID = "1234567890abcdef1234567890abcdef";

/** What stands where a path wants an id. */
const id = fc.oneof(
  fc.constantFrom(JOB, OTHER_JOB, SINK, ID, JOB.toUpperCase(), JOB.slice(1), `${JOB}0`, "", "0", "-1", "1e9", "NaN"),
  fc.constantFrom("..", "%2e%2e", "..%2f..%2fetc%2fpasswd", "%00", "%zz", "%", "%c3%28", "{jobId}", "*", ":jobId"),
  fc.constantFrom("__proto__", "constructor", "toString", "9".repeat(40), "details", "config"),
  fc.string({ maxLength: 20 }),
  fc.string({ unit: "binary", maxLength: 8 }),
);

const json = fc.oneof(
  fc.json({ maxDepth: 3 }),
  fc.dictionary(
    fc.constantFrom(
      "target-directory",
      "targetDirectory",
      "cancel-job",
      "drain",
      "formatType",
      "triggerId",
      "checkpointType",
      "savepoint-path",
      "__proto__",
      "x",
    ),
    fc.oneof(
      fc.constantFrom(
        null,
        true,
        1,
        -0,
        "",
        "FULL",
        "NATIVE",
        ID,
        "x",
        "/etc",
        "/savepoints/../x",
        "/savepoints/%2e%2e",
      ),
      fc.string(),
      fc.jsonValue({ maxDepth: 2 }),
    ),
  ).map((value) => JSON.stringify(value)),
  fc.constantFrom(
    "{",
    "}",
    "[",
    "{}",
    "nul",
    '{"a":1,"a":2}',
    '{"triggerId":"\\ud800"}',
    "[".repeat(5_000),
    "\ufeff{}",
  ),
  fc.string(),
  fc.string({ unit: "binary" }),
);

const header = fc.tuple(
  fc.constantFrom("host", "origin", "content-type", "content-length", "authorization", "x-forwarded-host", "accept"),
  fc.oneof(
    fc.constantFrom(
      "localhost:8081",
      "evil.example",
      "null",
      "http://localhost:8081",
      "application/json",
      "text/plain",
    ),
    fc.constantFrom(
      "-1",
      "99999999999999999999",
      "Bearer x",
      "",
      'application/json;charset="',
      "[::1",
      "multipart/form-data",
    ),
    fc.string({ maxLength: 30 }),
  ),
);

const method = fc.constantFrom("GET", "POST", "PATCH", "PUT", "DELETE", "OPTIONS", "HEAD", "PROPFIND", "get", "TRACK");

const query = fc.oneof(
  fc.constant(""),
  fc.constantFrom("?mode=stop", "?mode=cancel&mode=stop", "?mode", "?maxExceptions=-1", "?get=%zz", "?get=a,b,,c"),
  fc.constantFrom("?agg=max,foo", "?subtasks=9-0,-1", "?subtasks=0-999999999", "?jobs=x", "?__proto__=1", "?%"),
  fc.string({ maxLength: 30 }).map((text) => `?${text}`),
);

/** A request, or null when no client could send it. */
function requestOf(method: string, path: string, headers: [string, string][], body: string | null): Request | null {
  const all = new Headers({ "host": "localhost:8081", "content-type": "application/json" });
  try {
    for (const [name, value] of headers) all.set(name, value);
    return new Request(`http://localhost:8081${path}`, { method, headers: all, body });
  } catch (error) {
    if (error instanceof TypeError) return null;
    throw error;
  }
}

test("malformed requests never end in a 500, reach no job unless accepted, and leave nothing behind", {
  timeout: 120_000,
}, async () => {
  const rig = new ApiRig();
  const jobs = [rig.add(new ScriptedJob()), rig.add(new ScriptedJob(sampleView(OTHER_JOB)))];
  const { paths } = await rig.document();
  const path = fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom(...Object.keys(paths)) },
    {
      weight: 1,
      arbitrary: fc.constantFrom("/jars/upload", "/openapi.json", "//", "/v1//jobs", "/jobs/../../etc/passwd"),
    },
    { weight: 1, arbitrary: fc.string({ maxLength: 40 }).map((text) => `/${text}`) },
  );
  let accepted = 0;
  let answered = 0;
  const property = fc.asyncProperty(
    fc.record({
      method,
      path,
      prefix: fc.constantFrom("", "/v1"),
      ids: fc.array(id, { minLength: 4, maxLength: 4 }),
      query,
      headers: fc.array(header, { maxLength: 2 }),
      body: fc.option(json),
    }),
    async ({ method, path, prefix, ids, query, headers, body }) => {
      let at = 0;
      const filled = path.replaceAll(/\{\w+\}/g, () => ids[at++ % ids.length] ?? "");
      const request = requestOf(method, prefix + filled + query, headers, body);
      if (request === null) return;
      const calls = callCount(jobs) + rig.disposed.length;
      const response = await rig.app.fetch(request);
      const text = await response.text();
      answered++;
      ok(response.status < 500, `${response.status}: ${text}`);
      if (response.status >= 400) {
        if (method !== "HEAD") ok(Array.isArray(JSON.parse(text).errors), text);
        equal(callCount(jobs) + rig.disposed.length, calls, "a refused request has reached a job");
      } else if (method === "POST") accepted++;
    },
  );
  await fc.assert(property, { numRuns: scaled(1_000, 10_000) });
  ok(answered > scaled(500, 5_000), `only ${answered} could be sent`);
  // What was started ends, and is forgotten in time.
  ok(rig.operations.size <= accepted, `${rig.operations.size} operations of ${accepted} requests`);
  for (const job of jobs) {
    for (const asked of [...job.savepoints, ...job.stops, ...job.checkpointsAsked]) asked.reject(new Error("given up"));
  }
  await rig.clock.settle();
  rig.clock.advance(rig.context.settings.storeDurationMs);
  deepEqual([rig.operations.size, rig.clock.scheduledCount], [0, 0]);
  // And the API is as it was.
  equal((await rig.ask("/jobs")).status, 200);
});

function callCount(jobs: readonly ScriptedJob[]): number {
  return jobs.reduce((sum, { calls }) => sum + calls.length, 0);
}
