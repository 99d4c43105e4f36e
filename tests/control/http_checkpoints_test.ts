import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import type { SnapshotFigures } from "../../core/snapshot.ts";
import { PERIODIC } from "../../checkpoint/checkpoint_properties.ts";
import { SAMPLE } from "../checkpoint/metadata_fixture.ts";
import { ApiRig } from "./http_rig.ts";
import { JOB, sampleView, ScriptedJob, SINK, SOURCE } from "./scripted_job.ts";

const CHECKPOINTS = `/jobs/${JOB}/checkpoints`;

function figures(fullBytes: number): SnapshotFigures {
  return { syncMs: 1, asyncMs: 4, alignmentMs: 2, startDelayMs: 3, incrementBytes: 10, fullBytes };
}

/** Checkpoint 1 complete, savepoint 2 failed, checkpoint 3 under way: one of its three subtasks has answered. */
function rigWithHistory(): ApiRig {
  const rig = new ApiRig();
  const { statistics } = rig.add(new ScriptedJob());
  const start = { full: false, subtaskCount: 3 };
  statistics.triggered(1, { ...start, properties: PERIODIC, triggeredMs: 2_000 });
  statistics.answered(1, { vertexId: SOURCE, subtaskIndex: 0 }, figures(100), 2_010);
  statistics.answered(1, { vertexId: SOURCE, subtaskIndex: 1 }, figures(300), 2_030);
  statistics.answered(1, { vertexId: SINK, subtaskIndex: 0 }, figures(50), 2_040);
  statistics.completed(1, {
    metadata: SAMPLE,
    externalPath: "/c/chk-1",
    durationMs: 50,
    incrementBytes: 31,
    fullBytes: 451,
  });
  const savepoint = { ...PERIODIC, type: "savepoint", format: "native", directory: "/s" } as const;
  statistics.triggered(2, { ...start, full: true, properties: savepoint, triggeredMs: 3_000 });
  statistics.failed(2, { reason: "expired", message: "too slow", atMs: 3_500 });
  statistics.triggered(3, { ...start, properties: PERIODIC, triggeredMs: 4_000 });
  statistics.answered(3, { vertexId: SOURCE, subtaskIndex: 1 }, figures(300), 4_005);
  return rig;
}

/** A field of an answer that is an object or an array. */
function field(body: unknown, ...names: readonly (string | number)[]): unknown {
  let at = body;
  for (const name of names) {
    ok(typeof at === "object" && at !== null);
    at = Object.entries(at).find(([key]) => key === String(name))?.[1];
  }
  return at;
}

test("GET checkpoints: counts, summary, latest and history, newest first", async () => {
  const body = await rigWithHistory().get(CHECKPOINTS);
  deepEqual(field(body, "counts"), { "restored": 0, "total": 3, "in_progress": 1, "completed": 1, "failed": 1 });
  equal(field(body, "summary", "state_size", "p99"), 451);
  const history = field(body, "history");
  ok(Array.isArray(history));
  deepEqual(history.map((one) => [field(one, "id"), field(one, "status"), field(one, "checkpoint_type")]), [
    [3, "IN_PROGRESS", "CHECKPOINT"],
    [2, "FAILED", "SAVEPOINT"],
    [1, "COMPLETED", "CHECKPOINT"],
  ]);
  deepEqual(
    ["external_path", "checkpointed_size", "state_size", "num_acknowledged_subtasks", "discarded"].map((name) =>
      field(body, "latest", "completed", name)
    ),
    ["/c/chk-1", 31, 451, 3, false],
  );
  deepEqual([field(body, "latest", "failed", "failure_message"), field(body, "latest", "failed", "savepointFormat")], [
    "too slow",
    "NATIVE",
  ]);
  equal(field(body, "latest", "restored"), null);
});

test("GET checkpoints of a job that has taken none", async () => {
  const rig = new ApiRig();
  rig.add(new ScriptedJob());
  const body = await rig.get(CHECKPOINTS);
  deepEqual(field(body, "history"), []);
  equal(field(body, "summary", "end_to_end_duration", "max"), 0);
});

test("GET a checkpoint in detail: how far each vertex has come", async () => {
  const rig = rigWithHistory();
  const body = await rig.get(`${CHECKPOINTS}/details/3`);
  equal(field(body, "className"), "in_progress");
  const task = (vertexId: string) =>
    ["num_acknowledged_subtasks", "num_subtasks", "status", "latest_ack_timestamp"]
      .map((name) => field(body, "tasks", vertexId, name));
  deepEqual(task(SOURCE), [1, 2, "IN_PROGRESS", 4_005]);
  deepEqual(task(SINK), [0, 1, "IN_PROGRESS", -1]);
  await rig.refused(404, `${CHECKPOINTS}/details/9`);
  await rig.refused(400, `${CHECKPOINTS}/details/x`);
});

test("GET the part of a vertex: spreads, and a subtask that has not answered has only its number", async () => {
  const rig = rigWithHistory();
  const whole = await rig.get(`${CHECKPOINTS}/details/1/subtasks/${SOURCE}`);
  deepEqual(field(whole, "summary", "state_size"), { "min": 100, "max": 300, "avg": 200 });
  equal(field(whole, "subtasks", 1, "ack_timestamp"), 2_030);
  deepEqual(field(whole, "subtasks", 1, "checkpoint"), { "sync": 1, "async": 4 });
  const part = await rig.get(`${CHECKPOINTS}/details/3/subtasks/${SOURCE}`);
  deepEqual(field(part, "subtasks", 0), { "index": 0, "status": "pending_or_failed" });
  await rig.refused(404, `${CHECKPOINTS}/details/1/subtasks/${"9".repeat(32)}`);
});

test("GET configuration of checkpoints; one that is off has an interval beyond all time", async () => {
  const rig = new ApiRig();
  const view = sampleView();
  rig.add(new ScriptedJob({ ...view, settings: { ...view.settings, stateBackend: "lsm" } }));
  const body = await rig.get(`${CHECKPOINTS}/config`);
  deepEqual(
    ["mode", "interval", "state_backend", "checkpoint_storage", "unaligned_checkpoints"].map((name) =>
      field(body, name)
    ),
    ["exactly_once", Number.MAX_SAFE_INTEGER, "lsm", "jobmanager", false],
  );
});
