import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { levelOf } from "../../control/http/vertex_detail.ts";
import type { SubtaskView } from "../../runtime/job_view.ts";
import { ApiRig } from "./http_rig.ts";
import { JOB, sampleView, ScriptedJob, SINK, SOURCE } from "./scripted_job.ts";

const VERTEX = `/jobs/${JOB}/vertices/${SOURCE}`;

function rigWithJob(subtasks?: readonly SubtaskView[]): { rig: ApiRig; job: ScriptedJob } {
  const view = sampleView();
  const vertices = view.vertices.map((vertex) =>
    vertex.id === SOURCE && subtasks !== undefined ? { ...vertex, subtasks } : vertex
  );
  const rig = new ApiRig();
  return { rig, job: rig.add(new ScriptedJob({ ...view, attempt: 2, vertices })) };
}

/** A field of an answer that is an object. */
function field(body: unknown, ...names: readonly string[]): unknown {
  let at = body;
  for (const name of names) {
    ok(typeof at === "object" && at !== null);
    at = Object.entries(at).find(([key]) => key === name)?.[1];
  }
  return at;
}

test("GET a vertex: its subtasks with state, times and figures, and their spread", async () => {
  const { rig, job } = rigWithJob([
    { index: 0, state: "running", enteredMs: { created: 1_000, opening: 1_010, running: 1_020 } },
    { index: 1, state: "finished", enteredMs: { created: 1_000, opening: 1_010, running: 1_030, finished: 5_000 } },
  ]);
  job.metrics.task(SOURCE, 0).numRecordsOut.inc(4);
  job.metrics.task(SOURCE, 1).numRecordsOut.inc(8);
  const body = await rig.get(VERTEX);
  equal(field(body, "now"), 10_000);
  deepEqual(field(body, "aggregated", "metrics", "write-records"), {
    "min": 4,
    "max": 8,
    "avg": 6,
    "sum": 12,
    "median": 4,
    "p25": 4,
    "p75": 8,
    "p95": 8,
  });
  const finished = await rig.get(`${VERTEX}/subtasks/1`);
  equal(field(finished, "status"), "FINISHED");
  equal(field(finished, "attempt"), 2);
  deepEqual([field(finished, "start-time"), field(finished, "end-time"), field(finished, "duration")], [
    1_010,
    5_000,
    3_990,
  ]);
  equal(field(finished, "status-duration", "RUNNING"), 3_970);
  equal(field(finished, "status-duration", "FAILED"), -1);
  deepEqual(await rig.get(`${VERTEX}/subtasks/1/attempts/2`), finished);
  await rig.refused(404, `${VERTEX}/subtasks/2`);
  await rig.refused(404, `${VERTEX}/subtasks/1/attempts/1`);
  await rig.refused(400, `${VERTEX}/subtasks/one`);
  await rig.refused(404, `/jobs/${JOB}/vertices/${"9".repeat(32)}`);
  await rig.refused(400, `/jobs/${JOB}/vertices/nonsense`);
});

test("GET subtasktimes and taskmanagers of a vertex", async () => {
  const { rig } = rigWithJob();
  const times = await rig.get(`${VERTEX}/subtasktimes`);
  const subtasks = field(times, "subtasks");
  ok(Array.isArray(subtasks));
  equal(field(subtasks[0], "timestamps", "RUNNING"), 1_020);
  equal(field(subtasks[0], "timestamps", "CANCELED"), 0);
  const managers = field(await rig.get(`${VERTEX}/taskmanagers`), "taskmanagers");
  ok(Array.isArray(managers));
  equal(managers.length, 1);
  equal(field(managers[0], "status-counts", "RUNNING"), 2);
});

test("GET watermarks of a vertex: Flink's smallest number before the first", async () => {
  const { rig, job } = rigWithJob();
  job.metrics.task(SINK, 0).currentInputWatermark = 1_700_000_000_000;
  deepEqual(await rig.get(`/jobs/${JOB}/vertices/${SINK}/watermarks`), [
    { id: "0.currentInputWatermark", value: "1700000000000" },
  ]);
  deepEqual(await rig.get(`${VERTEX}/watermarks`), [
    { id: "0.currentInputWatermark", value: "-9223372036854775808" },
    { id: "1.currentInputWatermark", value: "-9223372036854775808" },
  ]);
});

test("GET backpressure of a vertex: shares of the last seconds, the worst subtask speaks for all", async () => {
  const { rig, job } = rigWithJob();
  for (const [index, heldMs] of [[0, 50], [1, 900]] as const) {
    const task = job.metrics.task(SOURCE, index);
    task.sample(0);
    task.backPressuredTimeMs.count = heldMs;
    task.busyTimeMs.count = 1_000 - heldMs;
    task.sample(1_000);
  }
  const body = await rig.get(`${VERTEX}/backpressure`);
  equal(field(body, "backpressureLevel"), "high");
  const subtasks = field(body, "subtasks");
  deepEqual(subtasks, [
    { "subtask": 0, "attempt-number": 2, "backpressureLevel": "ok", "ratio": 0.05, "idleRatio": 0, "busyRatio": 0.95 },
    { "subtask": 1, "attempt-number": 2, "backpressureLevel": "high", "ratio": 0.9, "idleRatio": 0, "busyRatio": 0.1 },
  ]);
  job.end("finished", 12_000);
  deepEqual(await rig.get(`${VERTEX}/backpressure`), { "status": "deprecated" });
});

test("levels of back-pressure: ok up to 0.1, low up to 0.5, then high", () => {
  const cases = [[0, "ok"], [0.1, "ok"], [0.11, "low"], [0.5, "low"], [0.51, "high"], [1, "high"]] as const;
  for (const [ratio, level] of cases) equal(levelOf(ratio), level, String(ratio));
});

test("GET accumulators: there are none, in Flink's shape", async () => {
  const { rig } = rigWithJob();
  deepEqual(await rig.get(`${VERTEX}/accumulators`), { "id": SOURCE, "user-accumulators": [] });
  equal(field(await rig.get(`${VERTEX}/subtasks/accumulators`), "parallelism"), 2);
  equal(field(await rig.get(`${VERTEX}/subtasks/0/attempts/2/accumulators`), "attempt"), 2);
});

test("the process is the only task manager, and its slots are those of the widest vertex", async () => {
  const { rig } = rigWithJob();
  const managers = field(await rig.get("/taskmanagers"), "taskmanagers");
  ok(Array.isArray(managers));
  deepEqual([field(managers[0], "id"), field(managers[0], "slotsNumber"), field(managers[0], "freeSlots")], [
    "local",
    2,
    0,
  ]);
  const detail = await rig.get("/taskmanagers/local");
  ok(Number(field(detail, "metrics", "heapUsed")) > 0);
  const slots = field(detail, "allocatedSlots");
  ok(Array.isArray(slots) && slots.length === 2);
  for (const what of ["", "/logs", "/log", "/stdout", "/thread-dump"]) {
    await rig.refused(404, `/taskmanagers/other${what}`);
    if (what !== "") equal((await rig.ask(`/taskmanagers/local${what}`)).status, 200);
  }
});

test("the job manager shows configuration with secrets masked, runtime, and no logs", async () => {
  const rig = new ApiRig();
  const configuration = [{ key: "rest.auth.token", value: "******", origin: "code" }];
  rig.add(new ScriptedJob(), { configuration });
  const shown = [{ key: "rest.auth.token", value: "******" }];
  deepEqual(await rig.get("/jobmanager/config"), shown);
  deepEqual(await rig.get(`/jobs/${JOB}/jobmanager/config`), shown);
  ok(String(field(await rig.get("/jobmanager/environment"), "jvm", "version")).startsWith("Weir "));
  await rig.get(`/jobs/${JOB}/jobmanager/environment`);
  deepEqual(await rig.get("/jobmanager/logs"), { "logs": [] });
  for (const path of ["/jobmanager/log", "/jobmanager/stdout", "/jobmanager/thread-dump"]) await rig.get(path);
});
