import { deepEqual, equal, match, ok } from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { FLINK_VERSION, WEIR_VERSION } from "../../control/http/api_version.ts";
import { ApiRig } from "./http_rig.ts";
import { JOB, OTHER_JOB, sampleView, ScriptedJob } from "./scripted_job.ts";

test("GET /overview counts the jobs of the process by state, and its slots", async () => {
  const rig = new ApiRig();
  rig.add(new ScriptedJob());
  rig.add(new ScriptedJob(sampleView(OTHER_JOB))).end("finished", 12_000);
  deepEqual(await rig.get("/overview"), {
    "taskmanagers": 1,
    "taskmanagers-blocked": 0,
    "slots-total": 2,
    "slots-available": 0,
    "slots-free-and-blocked": 0,
    "jobs-running": 1,
    "jobs-finished": 1,
    "jobs-cancelled": 0,
    "jobs-failed": 0,
    "flink-version": FLINK_VERSION,
    "flink-commit": "weir",
  });
});

test("GET /config tells a dashboard how often to ask, and what it cannot do here", async () => {
  const config = await new ApiRig({ settings: { refreshIntervalMs: 5_000 } }).get("/config");
  deepEqual(config, {
    "refresh-interval": 5_000,
    "timezone-name": "UTC",
    "timezone-offset": 0,
    "flink-version": FLINK_VERSION,
    "flink-revision": "weir",
    "features": { "web-submit": false, "web-cancel": true, "web-history": false, "web-rescale": false },
  });
});

test("every path works with and without the prefix /v1", async () => {
  const rig = new ApiRig();
  deepEqual(await rig.get("/v1/overview"), await rig.get("/overview"));
  equal((await rig.ask("/v1/healthz")).body, "ok");
  await rig.refused(404, "/v2/overview");
  await rig.refused(404, "/v1/v1/overview");
});

test("GET /healthz answers without a token, everything else is refused with 401", async () => {
  const rig = new ApiRig({ settings: { token: "0123456789abcdef" } });
  equal((await rig.ask("/healthz")).body, "ok");
  for (const path of ["/overview", "/config", "/openapi.json", "/no-such-path", `/jobs/${JOB}`]) {
    const [message] = await rig.refused(401, path);
    match(message ?? "", /token is missing or wrong/);
  }
  const right = await rig.ask("/overview", { headers: { authorization: "Bearer 0123456789abcdef" } });
  equal(right.status, 200);
  for (const wrong of ["Bearer 0123456789abcdeg", "Bearer", "Basic 0123456789abcdef", "Bearer 0123456789abcdef0"]) {
    await rig.refused(401, "/overview", { headers: { authorization: wrong } });
  }
});

test("/openapi.json describes every path, and the answers that any request can get", async () => {
  const document = await new ApiRig().document();
  ok(Object.keys(document.paths).length >= 3);
  for (const operations of Object.values(document.paths)) {
    for (const { responses } of Object.values(operations)) {
      for (const status of ["400", "401", "403", "404", "405", "413", "415", "500"]) ok(status in responses);
    }
  }
});

test("the version that the API tells is that of the package", () => {
  const { version } = JSON.parse(readFileSync(new URL("../../deno.json", import.meta.url), "utf8"));
  equal(WEIR_VERSION, version);
});
