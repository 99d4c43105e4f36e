import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { test } from "node:test";
import {
  type CheckpointProperties,
  commits,
  isForced,
  isRetained,
  PERIODIC,
} from "../../checkpoint/checkpoint_properties.ts";
import { planCheckpoint } from "../../checkpoint/checkpoint_plan.ts";
import type { CheckpointFailureReason } from "../../checkpoint/failure.ts";
import { FailureCounter } from "../../checkpoint/failure_counter.ts";
import { PendingCheckpoint } from "../../checkpoint/pending_checkpoint.ts";
import { type CheckpointRequest, type RequestFacts, RequestQueue } from "../../checkpoint/request_decider.ts";
import { ownsFiles, staysAfter, subsumedBy } from "../../checkpoint/retention.ts";
import { SharedFiles } from "../../checkpoint/shared_files.ts";
import { NO_FIGURES, subtask } from "./simulated_job.ts";

const SAVEPOINT: CheckpointProperties = {
  ...PERIODIC,
  type: "savepoint",
  format: "canonical",
};
const STOP: CheckpointProperties = { ...SAVEPOINT, synchronous: true };

function request(timestampMs: number, changes: Partial<CheckpointRequest> = {}): CheckpointRequest {
  return { properties: PERIODIC, periodic: false, timestampMs, ...changes };
}

const IDLE: RequestFacts = {
  isTriggering: false,
  pendingCount: 0,
  maxConcurrent: 1,
  cleaningCount: 0,
  minPauseMs: 0,
  lastCompletionMs: Number.NEGATIVE_INFINITY,
  nowMs: 0,
};

test("RequestQueue orders savepoints, those asked for, periodic ones, then by time [203]", () => {
  const queue = new RequestQueue();
  const periodic = request(1, { periodic: true });
  const late = request(3);
  const early = request(2);
  const savepoint = request(9, { properties: SAVEPOINT });
  for (const one of [periodic, late, early, savepoint]) equal(queue.add(one), null);
  const order: CheckpointRequest[] = [];
  for (;;) {
    const decision = queue.next(IDLE);
    if (decision.action !== "run") break;
    order.push(decision.request);
  }
  deepEqual(order, [savepoint, early, late, periodic]);
});

test("RequestQueue at its limit drops the periodic request, else turns down the new one [203]", () => {
  const queue = new RequestQueue(2);
  const periodic = request(1, { periodic: true });
  queue.add(periodic);
  equal(queue.add(request(2)), null);
  equal(queue.add(request(3)), periodic);
  const fourth = request(4);
  equal(queue.add(fourth), fourth);
  equal(queue.size, 2);
});

test("RequestQueue keeps at most one periodic request", () => {
  const queue = new RequestQueue();
  queue.add(request(1, { periodic: true }));
  const second = request(2, { periodic: true });
  equal(queue.add(second), second);
});

test("RequestQueue lets requests wait while triggering, at the limit, or while too much is being deleted [199, 204]", () => {
  const cases: [string, Partial<RequestFacts>, boolean, boolean][] = [
    // facts, a plain request runs, a savepoint runs
    ["idle", {}, true, true],
    ["triggering", { isTriggering: true }, false, false],
    ["one under way", { pendingCount: 1 }, false, true],
    ["one of two under way", { pendingCount: 1, maxConcurrent: 2 }, true, true],
    ["as many deletions as checkpoints", { cleaningCount: 1 }, true, true],
    ["more deletions than checkpoints", { cleaningCount: 2 }, false, false],
  ];
  for (const [name, facts, plainRuns, savepointRuns] of cases) {
    for (const [properties, runs] of [[PERIODIC, plainRuns], [SAVEPOINT, savepointRuns]] as const) {
      const queue = new RequestQueue();
      queue.add(request(1, { properties }));
      equal(queue.next({ ...IDLE, ...facts }).action, runs ? "run" : "none", `${name}, ${properties.type}`);
    }
  }
});

test("RequestQueue lets a periodic request wait for the pause, no other [201]", () => {
  const facts: RequestFacts = { ...IDLE, minPauseMs: 100, lastCompletionMs: 1_000, nowMs: 1_040 };
  const queue = new RequestQueue();
  queue.add(request(1, { periodic: true }));
  deepEqual(queue.next(facts), { action: "later", delayMs: 60 });
  equal(queue.next({ ...facts, nowMs: 1_100 }).action, "run");
  queue.add(request(2));
  equal(queue.next(facts).action, "run");
});

test("FailureCounter counts in a row, each checkpoint once, and starts again after failing the job [207]", () => {
  const counter = new FailureCounter(1);
  const fail = (checkpointId: number | null, reason: CheckpointFailureReason = "declined") =>
    counter.failure({ checkpointId, reason, properties: PERIODIC });
  equal(fail(1), "tolerate");
  equal(fail(1), "ignore");
  equal(fail(2), "fail-job");
  equal(fail(2), "ignore");
  equal(fail(3), "tolerate");
  counter.success(4);
  equal(counter.inRow, 0);
  equal(fail(5), "tolerate");
  equal(fail(3), "ignore", "older than the last success");
  counter.success(2);
  equal(counter.inRow, 1, "a success with a lower id ends no row");
  equal(fail(null, "io-error"), "fail-job");
});

test("FailureCounter counts declines, asynchronous failures, expiry, I/O and finalization only [207]", () => {
  const reasons: [CheckpointFailureReason, boolean][] = [
    ["declined", true],
    ["async-failure", true],
    ["expired", true],
    ["io-error", true],
    ["finalize-failed", true],
    ["subsumed", false],
    ["stopped", false],
    ["tasks-not-running", false],
    ["input-ended", false],
    ["too-many-requests", false],
    ["job-failed", false],
  ];
  for (const [reason, counts] of reasons) {
    const counter = new FailureCounter(0);
    const decision = counter.failure({ checkpointId: 1, reason, properties: PERIODIC });
    equal(decision, counts ? "fail-job" : "ignore", reason);
  }
});

test("FailureCounter never counts savepoints, nor one with which the job was to stop [208]", () => {
  const counter = new FailureCounter(0);
  for (const properties of [SAVEPOINT, STOP]) {
    equal(counter.failure({ checkpointId: 1, reason: "declined", properties }), "ignore");
  }
  equal(counter.failure({ checkpointId: 2, reason: "declined", properties: PERIODIC }), "fail-job");
});

test("savepoints are forced and never retained; only one with which the job stops commits [196, 197]", () => {
  const cases: [CheckpointProperties, boolean, boolean, boolean][] = [
    [PERIODIC, false, true, true],
    [SAVEPOINT, true, false, false],
    [STOP, true, true, false],
  ];
  for (const [properties, forced, commit, retained] of cases) {
    deepEqual([isForced(properties), commits(properties), isRetained(properties)], [forced, commit, retained]);
  }
});

/** "cp1" a checkpoint, "sp2" a savepoint, "st3" a savepoint with which the job stops. */
function entry(name: string) {
  const properties = name.startsWith("cp") ? PERIODIC : name.startsWith("sp") ? SAVEPOINT : STOP;
  return { name, checkpointId: Number(name.slice(2)), properties };
}

test("subsumedBy() keeps the latest and the newest real checkpoint [192, 219, 220]", () => {
  const cases: [string, number, string][] = [
    ["cp1", 1, "cp1"],
    ["cp1 cp2", 1, "cp2"],
    ["cp1 cp2 cp3", 2, "cp2 cp3"],
    ["cp1 cp2 sp3 sp4 sp5", 1, "cp2 sp5"],
    ["cp1 sp2 cp3", 1, "cp3"],
    ["cp1 sp2 st3", 1, "st3"],
    ["cp1 sp2 cp3", 3, "cp1 sp2 cp3"],
    ["", 1, ""],
  ];
  for (const [names, retained, left] of cases) {
    const entries = names.split(" ").filter((name) => name !== "").map(entry);
    const going = subsumedBy(entries, retained);
    equal(entries.filter((one) => !going.includes(one)).map((one) => one.name).join(" "), left, names);
  }
});

test("files of a savepoint never go; those of a job's checkpoints only with its cancellation [219, 222]", () => {
  deepEqual(["cp1", "sp1", "st1"].map((name) => ownsFiles(entry(name))), [true, false, false]);
  for (const end of ["finished", "failed", "suspended", "cancelled"] as const) {
    equal(staysAfter(end, "RETAIN_ON_CANCELLATION"), true);
    equal(staysAfter(end, "DELETE_ON_CANCELLATION"), end !== "cancelled");
    equal(staysAfter(end, "NO_EXTERNALIZED_CHECKPOINTS"), end !== "cancelled");
  }
});

test("SharedFiles gives a file up once, when no checkpoint from the lowest retained on has used it [213, 224, 271]", () => {
  const files = new SharedFiles();
  const file = (name: string, sizeBytes = 1) => ({ name, sizeBytes });
  files.register(1, [file("a"), file("b")]);
  files.register(2, [file("b"), file("c")]);
  files.register(2, [file("b")]);
  deepEqual(files.release(1), []);
  deepEqual(files.release(2), ["a"]);
  files.register(1, [file("b")]);
  deepEqual(files.release(3), ["b", "c"]);
  deepEqual(files.release(9), []);
  files.register(1, [file("late")]);
  deepEqual(files.release(9), ["late"]);
});

test("SharedFiles refuses another file under a known name [224]", () => {
  const files = new SharedFiles();
  files.register(1, [{ name: "a", sizeBytes: 1 }]);
  throws(() => files.register(2, [{ name: "a", sizeBytes: 2 }]), { name: "StreamError", kind: "corrupt" });
});

test("planCheckpoint() triggers what no running subtask sends to and waits for all that run [188, 215]", () => {
  const source = subtask("source");
  const map = subtask("map");
  const done = subtask("done", { status: "finished" });
  const plan = planCheckpoint([source, map, done], true);
  deepEqual(plan, { action: "take", trigger: [source], running: [source, map], finished: [done] });
  equal(planCheckpoint([source, done], false).action, "reject");
  equal(planCheckpoint([done], true).action, "reject");
  equal(planCheckpoint([source, subtask("map", { status: "created" })], true).action, "reject");
  const afterSources = planCheckpoint([subtask("source", { status: "finished" }), {
    ...map,
    predecessorsFinished: true,
  }], true);
  ok(afterSources.action === "take" && afterSources.trigger[0]?.vertexId === "map");
});

test("PendingCheckpoint decides wait, complete or ignore, and will not finish with answers missing [190, 217]", () => {
  const tasks = [subtask("source"), subtask("sink"), subtask("done", { status: "finished" })];
  const plan = planCheckpoint(tasks, true);
  ok(plan.action === "take");
  const barrier = { checkpointId: 3, timestampMs: 5, type: "checkpoint", full: false, format: null } as const;
  const pending = new PendingCheckpoint(barrier, PERIODIC, plan);
  const job = { id: "j", name: "n", startedMs: 0, restoredFrom: null };
  deepEqual(pending.acknowledge(tasks[0]!, new Map(), NO_FIGURES), { action: "wait", missing: 1 });
  deepEqual(pending.acknowledge(tasks[0]!, new Map(), NO_FIGURES), { action: "ignore", reason: "duplicate" });
  deepEqual(pending.acknowledge(tasks[2]!, new Map(), NO_FIGURES), { action: "ignore", reason: "unknown-subtask" });
  throws(() => pending.metadata(job), /1 answers are missing/);
  deepEqual(pending.acknowledge(tasks[1]!, new Map(), NO_FIGURES), { action: "complete" });
  const operators = pending.metadata(job).operators;
  deepEqual(operators.map((one) => [one.id, one.finished]), [["done", true], ["sink", false], ["source", false]]);
});
