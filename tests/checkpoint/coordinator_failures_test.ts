import { deepEqual, equal, match, ok } from "node:assert/strict";
import { test } from "node:test";
import { NO_FIGURES, SAVEPOINT, SimulatedJob, STOP, subtask, writeRun } from "./simulated_job.ts";

const BYTES = new Uint8Array(100).fill(5);
const reasons = (job: SimulatedJob) =>
  job.events.flatMap((event) => event.kind === "failed" ? [event.error.reason] : []);

test("a storage that cannot be prepared fails the request and counts; the next one tries again [205]", async () => {
  const job = new SimulatedJob({ tolerableFailures: 1 });
  job.fs.fail({ operation: "makeDirectory", code: "EACCES" });
  job.coordinator.start();
  const outcome = await job.begin();
  await job.settle();
  equal(outcome(), "io-error");
  const { counts, latestFailed } = job.coordinator.statistics();
  deepEqual([counts.total, counts.failed, counts.inProgress], [1, 1, 0]);
  match(latestFailed!.failure!.message, /Cannot start a checkpoint: "\/checkpoints\/job" cannot be prepared: EACCES/);
  equal(await job.take(), 1);
});

test("a checkpoint that cannot be stored fails, leaves nothing and counts [206]", async () => {
  for (const operation of ["create", "write", "sync", "rename", "syncDirectory"] as const) {
    const job = new SimulatedJob();
    job.coordinator.start();
    const outcome = await job.begin();
    job.fs.fail({ operation, path: /chk-1/, code: "ENOSPC" });
    job.acknowledge(1);
    await job.settle();
    equal(outcome(), "finalize-failed", operation);
    deepEqual(job.log.slice(0, 2), ["trigger source 1", "abort 1 after null"]);
    match(job.log[2]!, /^fail: .*ENOSPC/);
    equal(job.fs.has("/checkpoints/job/chk-1"), false);
    equal(job.coordinator.latest(), null);
    equal(job.fs.openCount, 0);
  }
});

test("failures within the tolerated number leave the job alone; the one after fails it once [207]", async () => {
  const job = new SimulatedJob({ tolerableFailures: 1 });
  job.coordinator.start();
  for (let id = 1; id <= 3; id++) {
    await job.begin();
    job.coordinator.decline(job.tasks[1]!, id, new Error("disk full"), "async-failure");
    await job.settle();
  }
  const fails = job.log.filter((line) => line.startsWith("fail"));
  equal(fails.length, 1);
  match(fails[0]!, /2 checkpoints in a row have failed, 1 may .*subtask "sink" \(1\/1\) has no snapshot: disk full/);
  deepEqual(reasons(job), ["async-failure", "async-failure", "async-failure"]);
});

test("checkpoints may be taken again after any failure [193, 198]", async () => {
  const job = new SimulatedJob({ tolerableFailures: 9 });
  job.coordinator.start();
  await job.begin();
  job.coordinator.decline(job.tasks[0]!, 1, new Error("no"));
  await job.settle();
  await job.begin();
  job.clock.advance(1_000);
  await job.settle();
  equal(await job.take(), 3);
});

test("a savepoint runs beside a checkpoint, is not subsumed, does not subsume and does not commit [196, 197, 201]", async () => {
  const job = new SimulatedJob({ maxConcurrent: 2 });
  job.coordinator.start();
  const checkpoint = await job.begin();
  const savepoint = await job.begin(SAVEPOINT);
  await job.begin(SAVEPOINT);
  job.coordinator.decline(job.tasks[0]!, 3, new Error("beyond the limit, and given up"));
  await job.settle();
  job.barriers.pop();
  deepEqual(job.barriers.map(({ type, full }) => [type, full]), [["checkpoint", false], ["savepoint", true]]);
  job.acknowledge(2);
  await job.settle();
  deepEqual([checkpoint(), savepoint()], [null, "completed 2"]);
  equal(job.coordinator.latest(), null);
  const third = await job.begin(SAVEPOINT);
  job.acknowledge(1);
  await job.settle();
  deepEqual([checkpoint(), third()], ["completed 1", null]);
  const fourth = await job.begin();
  job.acknowledge(5);
  job.acknowledge(4);
  await job.settle();
  deepEqual([third(), fourth()], ["completed 4", "completed 5"]);
  const told = job.log.filter((line) => /complete|abort/.test(line));
  deepEqual(told, ["abort 3 after null", "complete 1", "complete 5"]);
  equal(job.coordinator.statistics().latestSavepoint!.checkpointId, 4);
});

test("a savepoint with which the job stops commits and ends older checkpoints, but is not retained [197]", async () => {
  const job = new SimulatedJob();
  job.coordinator.start();
  const checkpoint = await job.begin();
  await job.begin(STOP);
  job.acknowledge(2);
  await job.settle();
  equal(checkpoint(), "subsumed");
  deepEqual(job.log.slice(2), ["abort 1 after null", "complete 2"]);
  deepEqual(job.coordinator.retained(), []);
});

test("a savepoint that fails never counts [208]", async () => {
  const job = new SimulatedJob();
  job.coordinator.start();
  const savepoint = await job.begin(SAVEPOINT);
  job.coordinator.decline(job.tasks[0]!, 1, new Error("no"));
  await job.settle();
  equal(savepoint(), "declined");
  deepEqual(job.log.filter((line) => line.startsWith("fail")), []);
});

test("figures that come too late still show in the statistics of a failed checkpoint [209]", async () => {
  const job = new SimulatedJob({ tolerableFailures: 9 });
  job.coordinator.start();
  await job.begin();
  job.coordinator.decline(job.tasks[0]!, 1, new Error("no"));
  job.clock.advance(30);
  job.coordinator.acknowledge(job.tasks[1]!, 1, new Map(), { ...NO_FIGURES, asyncMs: 25, incrementBytes: 70 });
  await job.settle();
  const [entry] = job.coordinator.statistics().history;
  equal(entry!.status, "failed");
  equal(entry!.incrementBytes, 70);
  deepEqual(entry!.subtasks.map(({ asyncMs, answerMs, vertexId }) => [asyncMs, answerMs, vertexId]), [[
    25,
    30,
    "sink",
  ]]);
});

test("shared files of an aborted checkpoint stay until a later one completes, its own files go at once [213]", async () => {
  const job = new SimulatedJob({ tolerableFailures: 9 });
  job.coordinator.start();
  await job.begin();
  const store = job.coordinator.store(1, job.tasks[1]!);
  const shared = await writeRun(store, "shared", BYTES);
  await writeRun(store, "exclusive", BYTES);
  job.acknowledge(1, "sink", { keyed: shared, lists: {} });
  job.coordinator.decline(job.tasks[0]!, 1, new Error("no"));
  await job.settle();
  equal(job.fs.files("/checkpoints/job").length, 1);
  // An answer that is late: its shared file is known too.
  const late = await writeRun({ create: () => store.create("shared").catch(() => lateFile(job)) }, "shared", BYTES);
  job.acknowledge(1, "source", { keyed: late, lists: {} });
  await job.settle();
  equal(job.fs.files("/checkpoints/job/shared").length, 2);
  await job.take();
  equal(job.fs.files("/checkpoints/job/shared").length, 0);
});

/** As a subtask that was created before the checkpoint was given up would have it. */
function lateFile(job: SimulatedJob) {
  return job.storage.begin(1).store(job.tasks[0]!).create("shared");
}

test("shared files on which a checkpoint under way may build are not deleted when another one completes [213]", async () => {
  const job = new SimulatedJob({ maxConcurrent: 2 });
  job.coordinator.start();
  await job.begin();
  const keyed = await writeRun(job.coordinator.store(1, job.tasks[1]!), "shared", BYTES);
  job.acknowledge(1, "sink", { keyed, lists: {} });
  job.acknowledge(1, "source");
  await job.settle();
  await job.begin();
  await job.begin();
  // 2 does not use the file any more; 3 was begun when only 1 was complete, and does.
  job.acknowledge(2);
  await job.settle();
  equal(job.coordinator.latest()!.metadata.checkpointId, 2);
  equal(job.fs.files("/checkpoints/job/shared").length, 1);
  job.acknowledge(3, "sink", { keyed, lists: {} });
  job.acknowledge(3, "source");
  await job.settle();
  equal(job.fs.files("/checkpoints/job/shared").length, 1);
  await job.take();
  equal(job.fs.files("/checkpoints/job/shared").length, 0);
});

test("finished subtasks need not answer; their last state stays in every checkpoint [215]", async () => {
  const job = new SimulatedJob();
  const lists = {
    list: { distribution: "split" as const, items: [BYTES], serializer: { id: "auto", version: 1, schemaVersion: 1 } },
  };
  const finalSnapshot = new Map([["source", { keyed: null, lists }]]);
  job.tasks = [
    subtask("source", { status: "finished", finalSnapshot }),
    subtask("map", { predecessorsFinished: true }),
    subtask("sink"),
  ];
  job.coordinator.start();
  for (const id of [1, 2]) {
    equal(await job.take(), id);
    const source = job.coordinator.latest()!.metadata.operators.find((operator) => operator.id === "source")!;
    deepEqual(source.subtasks, [{ finished: true, snapshot: { keyed: null, lists } }]);
    equal(source.finished, true);
  }
  deepEqual(job.log.filter((line) => line.startsWith("trigger")), ["trigger map 1", "trigger map 2"]);
  const strict = new SimulatedJob({ checkpointsAfterTasksFinish: false });
  strict.tasks = job.tasks;
  strict.coordinator.start();
  equal((await strict.begin())(), "tasks-not-running");
});

test("a subtask that cannot be triggered declines", async () => {
  const job = new SimulatedJob({ tolerableFailures: 9 });
  job.coordinator.start();
  const trigger = job.trigger.bind(job);
  job.trigger = () => {
    throw new Error("mailbox closed");
  };
  const outcome = await job.begin();
  await job.settle();
  equal(outcome(), "declined");
  job.trigger = trigger;
  equal(await job.take(), 2);
});

test("files that cannot be deleted are reported and harm nothing", async () => {
  const job = new SimulatedJob();
  job.coordinator.start();
  await job.take();
  job.fs.fail({ operation: "remove", code: "EACCES" });
  equal(await job.take(), 2);
  await job.settle();
  const failed = job.events.find((event) => event.kind === "cleanup-failed");
  ok(failed?.kind === "cleanup-failed");
  deepEqual(failed.checkpointIds, [1]);
  equal(await job.take(), 3);
});

test("a checkpoint that cannot be stored leaves the one before retained and whole [221]", async () => {
  const job = new SimulatedJob({ tolerableFailures: 9 });
  job.coordinator.start();
  await job.take();
  const before = job.fs.files();
  await job.begin();
  job.fs.fail({ operation: "rename", path: "chk-2", code: "EIO" });
  job.acknowledge(2);
  await job.settle();
  deepEqual(reasons(job), ["finalize-failed"]);
  equal(job.coordinator.latest()!.metadata.checkpointId, 1);
  deepEqual(job.fs.files(), before);
});
