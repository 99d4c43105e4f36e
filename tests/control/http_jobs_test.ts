import { deepEqual, equal, match, ok } from "node:assert/strict";
import { test } from "node:test";
import type { JobView } from "../../runtime/job_view.ts";
import { ApiRig } from "./http_rig.ts";
import { JOB, OTHER_JOB, sampleView, ScriptedJob, SINK, SOURCE } from "./scripted_job.ts";

/** A field of a body that is an object. */
function field(body: unknown, name: string): unknown {
  ok(typeof body === "object" && body !== null && name in body, `no "${name}" in ${JSON.stringify(body)}`);
  return Reflect.get(body, name);
}

test("GET /jobs lists the jobs of the process with Flink's states", async () => {
  const rig = new ApiRig();
  deepEqual(await rig.get("/jobs"), { jobs: [] });
  const states = [
    ["starting", "INITIALIZING"],
    ["running", "RUNNING"],
    ["restarting", "RESTARTING"],
    ["stopping", "RUNNING"],
    ["finished", "FINISHED"],
    ["stopped", "FINISHED"],
    ["cancelled", "CANCELED"],
    ["failed", "FAILED"],
  ] as const;
  const job = rig.add(new ScriptedJob());
  for (const [state, status] of states) {
    job.view = { ...job.view, state };
    deepEqual(await rig.get("/jobs"), { jobs: [{ id: JOB, status }] });
    deepEqual(await rig.get(`/jobs/${JOB}/status`), { status });
  }
});

test("GET /jobs/overview has a line for each job, with its times and how many subtasks are in which state", async () => {
  const rig = new ApiRig();
  rig.add(new ScriptedJob());
  const ended = rig.add(new ScriptedJob(sampleView(OTHER_JOB, "other")));
  ended.end("stopped", 9_000);
  const tasks = {
    total: 3,
    created: 0,
    scheduled: 0,
    deploying: 0,
    running: 3,
    finished: 0,
    canceling: 0,
    canceled: 0,
    failed: 0,
    reconciling: 0,
    initializing: 0,
  };
  deepEqual(await rig.get("/jobs/overview"), {
    jobs: [
      {
        "jid": JOB,
        "name": "sample",
        "state": "RUNNING",
        "start-time": 1_000,
        "end-time": -1,
        "duration": 9_000,
        "last-modification": 1_020,
        "tasks": tasks,
      },
      {
        "jid": OTHER_JOB,
        "name": "other",
        "state": "FINISHED",
        "start-time": 1_000,
        "end-time": 9_000,
        "duration": 8_000,
        "last-modification": 9_000,
        "tasks": tasks,
      },
    ],
  });
});

test("GET /jobs/:id has times, vertices with their counts, and the plan", async () => {
  const rig = new ApiRig();
  const job = rig.add(new ScriptedJob());
  job.metrics.task(SOURCE, 0).numRecordsOut.inc(5);
  job.metrics.task(SOURCE, 1).numRecordsOut.inc(7);
  job.metrics.task(SINK, 0).numRecordsIn.inc(11);
  job.metrics.task(SINK, 0).busyTimeMs.count = 12.6;
  const detail = await rig.get(`/jobs/${JOB}`);
  equal(field(detail, "state"), "RUNNING");
  equal(field(detail, "isStoppable"), false);
  equal(field(detail, "now"), 10_000);
  equal(field(field(detail, "timestamps"), "RUNNING"), 1_020);
  equal(field(field(detail, "timestamps"), "INITIALIZING"), 1_000);
  equal(field(field(detail, "timestamps"), "FAILED"), 0);
  equal(field(field(detail, "status-counts"), "RUNNING"), 2);
  const vertices = field(detail, "vertices");
  ok(Array.isArray(vertices));
  deepEqual(vertices.map((vertex) => [vertex.id, vertex.parallelism, vertex.status, vertex["start-time"]]), [
    [SOURCE, 2, "RUNNING", 1_010],
    [SINK, 1, "RUNNING", 1_010],
  ]);
  deepEqual(vertices.map(({ metrics }) => [metrics["read-records"], metrics["write-records"]]), [[0, 12], [11, 0]]);
  equal(vertices[1].metrics["accumulated-busy-time"], 13);
  deepEqual(await rig.get(`/jobs/${JOB}/plan`), { plan: field(detail, "plan") });
});

test("GET /jobs/:id/plan says how vertices are connected, and escapes names for dashboards that show HTML", async () => {
  const rig = new ApiRig();
  const job = rig.add(new ScriptedJob());
  const [source, sink] = job.view.vertices;
  job.view = { ...job.view, vertices: [{ ...source!, name: '<img src=x onerror="a()">' }, sink!] };
  const nodes = field(field(await rig.get(`/jobs/${JOB}/plan`), "plan"), "nodes");
  ok(Array.isArray(nodes));
  equal(nodes[0].description, "&lt;img src=x onerror=&quot;a()&quot;&gt;");
  equal("inputs" in nodes[0], false);
  deepEqual(nodes[1].inputs, [{ num: 0, id: SOURCE, ship_strategy: "HASH", exchange: "pipelined_bounded" }]);
});

test("GET /jobs/:id/config shows the configuration as it was masked", async () => {
  const rig = new ApiRig();
  rig.add(new ScriptedJob(), {
    configuration: [{ key: "rest.auth.token", value: "******", origin: "environment" }],
  });
  const config = field(await rig.get(`/jobs/${JOB}/config`), "execution-config");
  deepEqual(field(config, "user-config"), { "rest.auth.token": "******" });
  equal(field(config, "restart-strategy"), "Restart deactivated.");
});

test("GET /jobs/:id/exceptions tells the newest failures first, stacks only to who has the token", async () => {
  const token = "0123456789abcdef";
  const cause = new Error("disk is full");
  const failures: JobView["failures"] = [
    { atMs: 3_000, error: new Error("cannot write", { cause }), subtask: null },
    { atMs: 2_000, error: new TypeError("no"), subtask: { vertexId: SINK, vertexName: "counts", index: 1 } },
  ];
  const ask = async (rig: ApiRig, query: string, headers: Record<string, string> = {}) => {
    const job = rig.add(new ScriptedJob());
    job.view = { ...job.view, failures };
    const { status, body } = await rig.ask(`/jobs/${JOB}/exceptions${query}`, { headers });
    equal(status, 200);
    return body;
  };
  const open = await ask(new ApiRig(), "");
  equal(field(open, "root-exception"), "Error: cannot write\nCaused by: Error: disk is full");
  equal(field(open, "timestamp"), 3_000);
  const entries = field(field(open, "exceptionHistory"), "entries");
  ok(Array.isArray(entries));
  deepEqual(entries.map((entry) => [entry.exceptionName, entry.taskName]), [
    ["Error", null],
    ["TypeError", "counts (subtask 1)"],
  ]);
  ok(!JSON.stringify(open).includes("http_jobs_test"), "a frame is told without the token");
  const known = await ask(new ApiRig({ settings: { token } }), "", { authorization: `Bearer ${token}` });
  match(String(field(known, "root-exception")), /http_jobs_test/);

  const one = await ask(new ApiRig(), "?maxExceptions=1");
  equal(field(field(one, "exceptionHistory"), "truncated"), true);
  const none = await ask(new ApiRig(), "?failureLabelFilter=type:user");
  deepEqual(field(none, "exceptionHistory"), { entries: [], truncated: false });
  const rig = new ApiRig();
  rig.add(new ScriptedJob());
  for (const query of ["maxExceptions=-1", "maxExceptions=x", "failureLabelFilter=type", "maxExceptions=1e3"]) {
    await rig.refused(400, `/jobs/${JOB}/exceptions?${query}`);
  }
});

test("GET /jobs/:id/execution-result tells how a job has ended", async () => {
  const ends = [["finished", "SUCCEEDED"], ["stopped", "SUCCEEDED"], ["cancelled", "CANCELED"], ["failed", "FAILED"]];
  for (const [state, status] of ends) {
    const rig = new ApiRig();
    const job = rig.add(new ScriptedJob());
    const before = await rig.get(`/jobs/${JOB}/execution-result`);
    deepEqual(before, { "status": { id: "IN_PROGRESS" }, "job-execution-result": null });
    const error = new Error("broken");
    // Each is one of the four ends.
    job.end(state as "finished", 4_000, error);
    if (state === "failed") job.view = { ...job.view, failures: [{ atMs: 4_000, error, subtask: null }] };
    const result = field(await rig.get(`/jobs/${JOB}/execution-result`), "job-execution-result");
    equal(field(result, "application-status"), status);
    equal(field(result, "net-runtime"), 3_000);
    if (state === "failed") equal(field(field(result, "failure-cause"), "stack-trace"), "Error: broken");
  }
});

test("GET /jobs/:id/accumulators and /resource-requirements answer what dashboards ask", async () => {
  const rig = new ApiRig();
  rig.add(new ScriptedJob());
  deepEqual(await rig.get(`/jobs/${JOB}/accumulators`), {
    "job-accumulators": [],
    "user-task-accumulators": [],
    "serialized-user-task-accumulators": {},
  });
  deepEqual(await rig.get(`/jobs/${JOB}/resource-requirements`), {
    [SOURCE]: { parallelism: { lowerBound: 2, upperBound: 2 } },
    [SINK]: { parallelism: { lowerBound: 1, upperBound: 1 } },
  });
  const messages = await rig.refused(405, `/jobs/${JOB}/resource-requirements`, { method: "PUT", body: {} });
  match(messages.join(), /allowed: GET,.*keeps its parallelism/);
});

test("a job that is not there is answered with 404, an id that is none with 400, for every path of a job", async () => {
  const rig = new ApiRig();
  const { paths } = await rig.document();
  const asked = Object.entries(paths).flatMap(([path, operations]) => {
    return Object.keys(operations).map((method) => [method.toUpperCase(), path] as const);
  }).filter(([, path]) => path.includes("{jobId}"));
  ok(asked.length > 10);
  for (const [method, path] of asked) {
    const filled = path.replaceAll(/\{(vertexId|triggerId)\}/g, OTHER_JOB).replaceAll(/\{(?!jobId)\w+\}/g, "0");
    const ask = method === "GET" ? { method } : { method, body: {} };
    await rig.refused(404, filled.replace("{jobId}", JOB), ask);
    for (const bad of ["x", JOB.slice(1), `${JOB}0`, JOB.toUpperCase(), "%00", "..%2f..", "%zz"]) {
      const refusals = await rig.ask(filled.replace("{jobId}", bad), ask);
      ok(refusals.status === 400 || refusals.status === 404, `${method} ${path} with ${bad}: ${refusals.status}`);
    }
  }
});

test("what Flink has and makes no sense here is answered with 404 and the reason", async () => {
  const rig = new ApiRig();
  rig.add(new ScriptedJob());
  const asked: [string, string, RegExp][] = [
    ["GET", "/jars", /script/],
    ["POST", "/jars/upload", /script/],
    ["GET", "/datasets", /datasets/],
    ["POST", "/jobs", /submit/],
    ["GET", `/jobs/${JOB}/yarn-cancel`, /must not change/],
    ["PATCH", `/jobs/${JOB}/rescaling`, /parallelism/],
    ["GET", `/jobs/${JOB}/vertices/${SINK}/flamegraph`, /profiler/],
    ["GET", `/jobs/${JOB}/jobmanager/log-url`, /not kept/],
    ["GET", `/jobs/${JOB}/taskmanagers/local/log-url`, /not kept/],
    ["GET", "/jobmanager/logs/weir.log", /not kept/],
    ["GET", "/taskmanagers/local/logs/weir.log", /not kept/],
    ["PATCH", `/jobs/${JOB}/clientHeartbeat`, /does not depend/],
    ["PUT", `/jobs/${JOB}/resource-requirements`, /parallelism/],
    ["POST", "/jobmanager/profiler", /profiler/],
  ];
  for (const [method, path, reason] of asked) {
    const { status, body } = await rig.ask(path, { method });
    ok(status === 404 || status === 405, `${path}: ${status}`);
    match(JSON.stringify(body), reason);
  }
});
