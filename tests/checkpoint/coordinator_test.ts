import { deepEqual, equal, match } from "node:assert/strict";
import { test } from "node:test";
import { decodeMetadata } from "../../checkpoint/metadata_reader.ts";
import { NO_FIGURES, SimulatedJob, subtask, writeRun } from "./simulated_job.ts";

const BYTES = new Uint8Array(100).fill(5);

test("trigger() gives all sources the same barrier and schedules one timeout [189]", async () => {
  const job = new SimulatedJob();
  job.tasks = [subtask("source"), subtask("source", { subtaskIndex: 1, parallelism: 2 }), subtask("sink")];
  job.coordinator.start();
  await job.begin();
  deepEqual(job.log, ["trigger source 1", "trigger source 1"]);
  deepEqual(job.barriers, [{ checkpointId: 1, timestampMs: 1_000_000, type: "checkpoint", full: false, format: null }]);
  equal(job.clock.scheduledCount, 1);
});

test("a checkpoint completes with the last answer: durable metadata, then the notice [191, 216]", async () => {
  const job = new SimulatedJob();
  job.coordinator.start();
  const outcome = await job.begin();
  const store = job.coordinator.store(1, job.tasks[1]!);
  const keyed = await writeRun(store, "shared", BYTES);
  job.acknowledge(1, "sink", {
    keyed,
    lists: { a: { distribution: "split", items: [BYTES], serializer: { id: "auto", version: 1, schemaVersion: 1 } } },
  });
  await job.settle();
  equal(outcome(), null);
  job.acknowledge(1, "source");
  await job.settle();
  equal(outcome(), "completed 1");
  deepEqual(job.log, ["trigger source 1", "complete 1"]);
  equal(job.clock.scheduledCount, 0);
  const metadata = decodeMetadata(job.fs.content("/checkpoints/job/chk-1/_metadata"), "m");
  equal(metadata.checkpointId, 1);
  deepEqual(metadata.operators.map((operator) => operator.id), ["sink", "source"]);
  deepEqual(metadata.operators[0]!.subtasks[0]!.snapshot!.keyed, keyed);
  equal(metadata.operators[1]!.subtasks[0]!.snapshot, null, "an empty answer leaves no more than its marker");
  deepEqual(job.coordinator.latest()!.metadata, metadata);
});

test("trigger() fails when a subtask is not running yet [188]", async () => {
  const job = new SimulatedJob();
  job.tasks = [subtask("source", { status: "created" })];
  job.coordinator.start();
  const outcome = await job.begin();
  equal(outcome(), "tasks-not-running");
  deepEqual(job.log, []);
  equal(job.clock.scheduledCount, 0);
  job.tasks = [subtask("source")];
  equal(await job.take(), 1);
});

test("an answer given twice changes nothing; one of an unknown subtask is dropped [190]", async () => {
  const job = new SimulatedJob();
  job.coordinator.start();
  const outcome = await job.begin();
  job.acknowledge(1, "source");
  job.acknowledge(1, "source");
  job.coordinator.acknowledge({ vertexId: "nobody", subtaskIndex: 0 }, 1, new Map(), NO_FIGURES);
  job.coordinator.acknowledge({ vertexId: "sink", subtaskIndex: 0 }, 99, new Map(), NO_FIGURES);
  await job.settle();
  equal(outcome(), null);
  job.acknowledge(1, "sink");
  await job.settle();
  equal(outcome(), "completed 1");
});

test("a completed checkpoint takes the place of the one before, whose files go only then [192]", async () => {
  const job = new SimulatedJob();
  job.coordinator.start();
  for (let id = 1; id <= 3; id++) {
    await job.begin();
    const keyed = await writeRun(job.coordinator.store(id, job.tasks[1]!), "exclusive", BYTES);
    job.fs.journal.length = 0;
    job.acknowledge(id, "sink", { keyed, lists: {} });
    job.acknowledge(id, "source");
    await job.settle();
    const at = (text: string) => job.fs.journal.findIndex((line) => line.includes(text));
    if (id > 1) equal(at("removeDirectory") > at("rename"), true);
  }
  deepEqual(job.fs.files("/checkpoints/job").map((path) => path.split("/")[3]), ["_completed_once", "chk-3", "chk-3"]);
  deepEqual(job.coordinator.retained().map((checkpoint) => checkpoint.metadata.checkpointId), [3]);
});

test("a decline aborts the checkpoint, tells the subtasks and drops what was answered [193, 218]", async () => {
  const job = new SimulatedJob({ tolerableFailures: 5 });
  job.coordinator.start();
  await job.take();
  const outcome = await job.begin();
  const keyed = await writeRun(job.coordinator.store(2, job.tasks[1]!), "exclusive", BYTES);
  job.acknowledge(2, "sink", { keyed, lists: {} });
  job.coordinator.decline(job.tasks[0]!, 2, new Error("no"));
  job.coordinator.decline(job.tasks[0]!, 2, new Error("no"));
  job.acknowledge(2, "source");
  await job.settle();
  equal(outcome(), "declined");
  deepEqual(job.log.slice(2), ["trigger source 2", "abort 2 after 1"]);
  equal(job.fs.has("/checkpoints/job/chk-2"), false);
  match(job.coordinator.statistics().latestFailed!.failure!.message, /"source" \(1\/1\) has no snapshot: no$/);
});

test("of several checkpoints under way a decline ends one [194]", async () => {
  const job = new SimulatedJob({ maxConcurrent: 2, tolerableFailures: 5 });
  job.coordinator.start();
  const first = await job.begin();
  const second = await job.begin();
  job.coordinator.decline(job.tasks[0]!, 1, new Error("no"));
  job.acknowledge(2);
  await job.settle();
  deepEqual([first(), second()], ["declined", "completed 2"]);
});

test("a checkpoint that completes ends older ones under way; late answers to them leave nothing [195, 200]", async () => {
  const job = new SimulatedJob({ maxConcurrent: 2 });
  job.coordinator.start();
  const outcomes = [await job.begin(), await job.begin(), await job.begin(), await job.begin()];
  deepEqual(job.barriers.length, 2, "[199]");
  const store = job.coordinator.store(1, job.tasks[0]!);
  const file = await store.create("exclusive");
  await file.write(BYTES);
  job.acknowledge(2);
  await job.settle();
  deepEqual(outcomes.map((outcome) => outcome()), ["subsumed", "completed 2", null, null]);
  deepEqual(job.barriers.map((barrier) => barrier.checkpointId), [1, 2, 3, 4]);
  job.acknowledge(1);
  await job.settle();
  equal(job.fs.has("/checkpoints/job/chk-1"), false);
  deepEqual(job.log.filter((line) => line.startsWith("abort")), ["abort 1 after null"]);
});

test("a checkpoint expires after the timeout, which counts as a failure [198]", async () => {
  const job = new SimulatedJob({ timeoutMs: 500 });
  job.coordinator.start();
  const outcome = await job.begin();
  job.acknowledge(1, "source");
  job.clock.advance(499);
  await job.settle();
  equal(outcome(), null);
  job.clock.advance(1);
  await job.settle();
  equal(outcome(), "expired");
  deepEqual(job.log.slice(1, 2), ["abort 1 after null"]);
  match(job.log[2]!, /^fail: Cannot go on: 1 checkpoints in a row have failed, 0 may/);
  match(job.coordinator.statistics().latestFailed!.failure!.message, /1 of 2 subtasks .* \("sink" \(1\/1\)\)$/);
});
