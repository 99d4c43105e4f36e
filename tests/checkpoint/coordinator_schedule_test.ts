import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { PERIODIC } from "../../checkpoint/checkpoint_properties.ts";
import { StatisticsLog } from "../../checkpoint/statistics.ts";
import { findLatest, readCheckpoint, type VerifyRun } from "../../checkpoint/recovery.ts";
import type { KeyedStateHandle } from "../../core/snapshot.ts";
import { scaled } from "../support/scale.ts";
import { SAVEPOINT, seededRandom, SimulatedJob, STOP, subtask, writeRun } from "./simulated_job.ts";

const ids = (job: SimulatedJob) => job.barriers.map((barrier) => barrier.checkpointId);

async function advance(job: SimulatedJob, ms: number): Promise<void> {
  job.clock.advance(ms);
  await job.settle();
}

test("periodic checkpoints start an interval apart [202]", async () => {
  const job = new SimulatedJob({ intervalMs: 100 });
  job.coordinator.start();
  for (let id = 1; id <= 3; id++) {
    await advance(job, 99);
    equal(job.barriers.length, id - 1);
    await advance(job, 1);
    job.acknowledge(id);
    await job.settle();
  }
  deepEqual(job.barriers.map((barrier) => barrier.timestampMs), [1_000_100, 1_000_200, 1_000_300]);
});

test("at most max-concurrent checkpoints are under way; the next starts when one completes [199]", async () => {
  for (const maxConcurrent of [1, 2, 5]) {
    const job = new SimulatedJob({ intervalMs: 10, maxConcurrent });
    job.coordinator.start();
    for (let i = 0; i < 20; i++) await advance(job, 10);
    equal(job.barriers.length, maxConcurrent);
    job.acknowledge(1);
    await job.settle();
    equal(job.barriers.length, maxConcurrent + 1);
    for (let i = 0; i < 20; i++) await advance(job, 10);
    equal(job.barriers.length, maxConcurrent + 1);
  }
});

test("a periodic checkpoint waits for the pause after the last completion, one on demand does not [201]", async () => {
  const job = new SimulatedJob({ intervalMs: 10, minPauseMs: 50 });
  job.coordinator.start();
  await advance(job, 10);
  await advance(job, 30);
  job.acknowledge(1);
  await job.settle();
  await advance(job, 49);
  deepEqual(ids(job), [1]);
  await advance(job, 1);
  deepEqual(ids(job), [1, 2]);
  job.acknowledge(2);
  await job.settle();
  equal(await job.take(), 3);
});

test("periodic checkpoints begin again when the subtasks run again, and end with stop() [202]", async () => {
  const job = new SimulatedJob({ intervalMs: 10 });
  job.tasks = [subtask("source", { status: "created" })];
  job.coordinator.start();
  await advance(job, 30);
  deepEqual(ids(job), []);
  job.tasks = [subtask("source")];
  await advance(job, 10);
  deepEqual(ids(job), [1]);
  await job.coordinator.stop();
  equal(job.clock.scheduledCount, 0);
  await advance(job, 100);
  deepEqual(ids(job), [1]);
  equal((await job.begin())(), "stopped");
  job.coordinator.start();
  await advance(job, 10);
  deepEqual(ids(job), [1, 2]);
});

test("stop() settles every request that waits or runs, and tells no subtask [202, 217]", async () => {
  const job = new SimulatedJob();
  job.coordinator.start();
  const outcomes = [await job.begin(), await job.begin(), await job.begin()];
  await job.coordinator.stop("job-failed", new Error("boom"));
  await job.settle();
  deepEqual(outcomes.map((outcome) => outcome()), ["job-failed", "job-failed", "job-failed"]);
  deepEqual(job.log, ["trigger source 1"]);
});

test("stop() waits for a checkpoint that is being stored: it is what to restore from", async () => {
  const job = new SimulatedJob();
  job.coordinator.start();
  const outcome = await job.begin();
  job.acknowledge(1);
  await job.coordinator.stop("job-failed");
  equal(job.coordinator.latest()?.metadata.checkpointId, 1);
  await job.settle();
  equal(outcome(), "completed 1");
  deepEqual(job.log, ["trigger source 1"], "the attempt is over: nobody is told");
});

test("the final checkpoint says so in its metadata, and so do those that follow it until the next attempt", async () => {
  const job = new SimulatedJob({ intervalMs: 10 });
  job.coordinator.start();
  const done = job.coordinator.trigger({ isFinal: true });
  await job.clock.settle();
  job.acknowledge(1);
  await job.settle();
  equal((await done).metadata.isFinal, true);
  await advance(job, 10);
  job.acknowledge(2);
  await job.settle();
  equal(job.coordinator.latest()!.metadata.isFinal, true, "all input has ended, whoever asks");
  await job.coordinator.stop();
  job.coordinator.start();
  await advance(job, 10);
  job.acknowledge(3);
  await job.settle();
  equal(job.coordinator.latest()!.metadata.isFinal, false, "the next attempt has input again");
});

test("restore() goes on with higher ids, registers shared files and counts [212]", async () => {
  const first = new SimulatedJob({ retained: 2 });
  first.coordinator.start();
  await first.begin();
  const keyed = await writeRun(first.coordinator.store(1, first.tasks[1]!), "shared", new Uint8Array(50));
  first.acknowledge(1, "sink", { keyed, lists: {} });
  first.acknowledge(1, "source");
  await first.settle();
  await first.take();
  const recovery = await findLatest({ storage: first.storage, verify: () => {} });
  ok(recovery.kind === "restored");

  const job = new SimulatedJob({ retained: 2 }, () => first.storage);
  job.coordinator.restore({ ...recovery, highestId: 9 });
  job.coordinator.start();
  const { counts, restored } = job.coordinator.statistics();
  deepEqual([counts.restored, counts.total, restored?.checkpointId], [1, 0, 2]);
  equal(await job.take(), 10);
  equal(job.barriers[0]!.full, false);
  equal(first.fs.files("/checkpoints/job/shared").length, 0, "only checkpoint 1 needed it");
  deepEqual(await first.storage.completedIds(), [10, 2]);
});

test("barriers are full when checkpoints are not incremental", async () => {
  const job = new SimulatedJob({ incremental: false });
  job.coordinator.start();
  await job.take();
  equal(job.barriers[0]!.full, true);
});

test("shutdown() deletes the checkpoints of a cancelled job only if told to [222]", async () => {
  for (
    const [retention, end, left] of [
      ["RETAIN_ON_CANCELLATION", "cancelled", [2, 1]],
      ["DELETE_ON_CANCELLATION", "cancelled", []],
      ["DELETE_ON_CANCELLATION", "failed", [2, 1]],
      ["NO_EXTERNALIZED_CHECKPOINTS", "suspended", [2, 1]],
    ] as const
  ) {
    const job = new SimulatedJob({ retention, retained: 2 });
    job.coordinator.start();
    await job.take();
    await job.take();
    await job.coordinator.shutdown(end);
    deepEqual(await job.storage.completedIds(), left, `${retention} ${end}`);
  }
});

test("statistics() tells what failed from what was given up because nobody needs it any more", () => {
  const log = new StatisticsLog();
  const start = { properties: PERIODIC, full: false, triggeredMs: 0, subtaskCount: 1 };
  const reasons = ["stopped", "subsumed", "job-failed", "expired", "async-failure"] as const;
  for (const [index, reason] of reasons.entries()) {
    log.triggered(index + 1, start);
    log.failed(index + 1, { reason, message: reason, atMs: 1 });
  }
  log.triggered(9, start);
  const { counts, history } = log.snapshot();
  deepEqual(counts, { total: 6, inProgress: 1, completed: 0, failed: 2, givenUp: 3, restored: 0 });
  deepEqual(history.map(({ status }) => status), ["in-progress", ...reasons.map(() => "failed")]);
});

test("statistics() keeps the last ten checkpoints with sizes and durations", async () => {
  const job = new SimulatedJob();
  job.coordinator.start();
  for (let id = 1; id <= 12; id++) {
    await job.begin();
    job.clock.advance(5);
    job.acknowledge(id);
    await job.settle();
  }
  const { counts, history, latestCompleted } = job.coordinator.statistics();
  deepEqual(counts, { total: 12, inProgress: 0, completed: 12, failed: 0, givenUp: 0, restored: 0 });
  deepEqual(history.map((entry) => entry.checkpointId), [12, 11, 10, 9, 8, 7, 6, 5, 4, 3]);
  equal(latestCompleted!.durationMs, 5);
  equal(latestCompleted!.subtasks.length, 2);
  ok(latestCompleted!.fullBytes > 0);
  equal(latestCompleted!.externalPath, "/checkpoints/job/chk-12");
});

/** Answers to checkpoints as incremental backends do: each builds on the last one that was complete when it began. */
class Backends {
  readonly #job: SimulatedJob;
  /** Last complete checkpoint when a checkpoint began, by its id. */
  readonly #base = new Map<number, number>();
  /** What was written, by checkpoint and subtask. */
  readonly #handles = new Map<string, KeyedStateHandle>();
  /** Answers that are due, "id vertex". */
  readonly due = new Set<string>();

  constructor(job: SimulatedJob) {
    this.#job = job;
    let complete = 0;
    job.notifyComplete = (checkpointId) => {
      complete = checkpointId;
    };
    job.trigger = (_task, barrier) => {
      this.#base.set(barrier.checkpointId, complete);
      for (const task of job.tasks) this.due.add(`${barrier.checkpointId} ${task.vertexId}`);
    };
  }

  /** Writes a file, whose first byte is its row count, and acknowledges; one that cannot be written is a decline. */
  async answer(one: string): Promise<void> {
    const [id, vertexId = ""] = one.split(" ");
    const task = { vertexId, subtaskIndex: 0 };
    try {
      const store = this.#job.coordinator.store(Number(id), task);
      const fresh = await writeRun(store, "shared", new Uint8Array(20).fill(1));
      const older = this.#handles.get(`${this.#base.get(Number(id))} ${vertexId}`)?.runs ?? [];
      const own = await writeRun(store, "exclusive", new Uint8Array(20).fill(1));
      // A chain is cut now and then, so that files fall out of use.
      const keyed = { ...fresh, runs: [...older.slice(-2), ...fresh.runs] };
      this.#handles.set(one, keyed);
      this.#job.acknowledge(Number(id), vertexId, {
        keyed: { ...keyed, runs: [...keyed.runs, ...own.runs] },
        lists: {},
      });
    } catch (error) {
      this.#job.coordinator.decline(task, Number(id), error, "async-failure");
    }
  }
}

test("over random answers, failures and times every retained checkpoint is whole [192, 195, 200, 206, 213, 218]", async () => {
  let whole = 0;
  const seeds = scaled(40, 2_000);
  for (let seed = 1; seed <= seeds; seed++) {
    const { next } = seededRandom(seed);
    const pick = (count: number) => Math.floor(next() * count);
    const job = new SimulatedJob({
      intervalMs: 20,
      timeoutMs: 60,
      minPauseMs: pick(2) * 15,
      maxConcurrent: 1 + pick(3),
      retained: 1 + pick(3),
      tolerableFailures: Infinity,
    });
    const backends = new Backends(job);
    job.coordinator.start();
    for (let step = 0; step < 60; step++) {
      await advance(job, pick(25));
      for (const one of [...backends.due]) {
        const fate = next();
        if (fate < 0.4) continue;
        backends.due.delete(one);
        const [id, vertexId = ""] = one.split(" ");
        if (fate < 0.45) job.coordinator.decline({ vertexId, subtaskIndex: 0 }, Number(id), new Error("no"));
        else await backends.answer(one);
      }
      if (pick(10) === 0) job.fs.fail({ code: "ENOSPC", after: pick(20) });
    }
    job.fs.heal();
    await job.coordinator.stop();
    const verify: VerifyRun = (input, run) => equal(input.read(0, 1)[0], run.rowCount, `seed ${seed}`);
    const retained = job.coordinator.retained();
    for (const { metadata } of retained) {
      deepEqual((await readCheckpoint(metadata.checkpointId, { storage: job.storage, verify })).metadata, metadata);
      whole++;
    }
    const recovery = await findLatest({ storage: job.storage, verify });
    if (retained.length > 0) {
      ok(recovery.kind === "restored", `seed ${seed}`);
      ok(recovery.restored.metadata.checkpointId >= retained[0]!.metadata.checkpointId, `seed ${seed}`);
    }
    equal(job.fs.openCount, 0, `seed ${seed}`);
  }
  ok(whole > seeds, `${whole} checkpoints in ${seeds} runs`);
});

test("during a hold only a savepoint with which the job stops begins; what waited begins after the release", async () => {
  const job = new SimulatedJob({ intervalMs: 10, tolerableFailures: 9 });
  job.coordinator.start();
  await advance(job, 10);
  const first = await job.begin();
  await job.coordinator.hold();
  const second = await job.begin();
  const savepoint = await job.begin(SAVEPOINT);
  await advance(job, 100);
  job.acknowledge(1);
  await job.settle();
  deepEqual(ids(job), [1]);
  const stop = await job.begin(STOP);
  deepEqual(job.barriers.map(({ checkpointId, stops }) => [checkpointId, stops]), [[1, undefined], [2, true]]);
  job.coordinator.decline(job.tasks[0]!, 2, new Error("no"));
  await job.settle();
  equal(stop(), "declined");
  deepEqual(ids(job), [1, 2]);
  job.coordinator.release();
  await job.settle();
  deepEqual(job.barriers.slice(2).map(({ type }) => type), ["savepoint", "checkpoint"]);
  for (const id of [3, 4, 5]) {
    job.acknowledge(id);
    await job.settle();
  }
  deepEqual([savepoint(), first(), second()], ["completed 3", "completed 4", "completed 5"]);
  await advance(job, 10);
  deepEqual(ids(job), [1, 2, 3, 4, 5, 6]);
});

test("hold() waits for a checkpoint that is just beginning; stop() settles what a hold has kept waiting", async () => {
  const job = new SimulatedJob();
  job.coordinator.start();
  // The folders are made first.
  const beginning = job.coordinator.trigger();
  beginning.catch(() => {});
  await job.coordinator.hold();
  deepEqual(ids(job), [1]);
  const waiting = await job.begin();
  await job.coordinator.stop();
  equal(waiting(), "stopped");
  job.coordinator.start();
  equal(await job.take(), 2);
});
