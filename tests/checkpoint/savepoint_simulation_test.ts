/** Savepoints, stops and restarts at random, beside checkpoints at random, on a disk that fails at random. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import type { CompletedCheckpoint } from "../../checkpoint/completed_checkpoint.ts";
import { findAt, findLatest, type VerifyRun } from "../../checkpoint/recovery.ts";
import type { Barrier } from "../../core/element.ts";
import type { RunHandle } from "../../core/snapshot.ts";
import { scaled } from "../support/scale.ts";
import { SAVEPOINT, seededRandom, SimulatedJob, writeRun } from "./simulated_job.ts";

/** First byte of every file; `writeRun` gives each one row. */
const BYTES = new Uint8Array(20).fill(1);
const verify: VerifyRun = (input, run) => equal(input.read(0, 1)[0], run.rowCount);

/** Subtasks whose increments build on the checkpoint that was confirmed last. */
class Subtasks {
  #confirmed: Barrier | null = null;
  readonly #barriers = new Map<number, { barrier: Barrier; basis: Barrier | null }>();
  /** Shared files by "id vertex". */
  readonly #runs = new Map<string, readonly RunHandle[]>();
  /** What must never happen. */
  readonly violations: string[] = [];
  /** Answers that are due, "id vertex". */
  readonly due = new Set<string>();

  constructor(private readonly job: SimulatedJob) {
    job.notifyComplete = (checkpointId) => {
      const { barrier } = this.#barriers.get(checkpointId)!;
      if (barrier.type === "savepoint" && barrier.stops !== true) this.violations.push(`${checkpointId} was told`);
      if (checkpointId > (this.#confirmed?.checkpointId ?? 0)) this.#confirmed = barrier;
    };
    job.notifyAborted = (checkpointId) => {
      for (const { vertexId } of job.tasks) this.due.delete(`${checkpointId} ${vertexId}`);
    };
    job.trigger = (_task, barrier) => {
      if (!barrier.full && this.#confirmed?.type === "savepoint") {
        this.violations.push(`${barrier.checkpointId} builds on a savepoint`);
      }
      this.#barriers.set(barrier.checkpointId, { barrier, basis: barrier.full ? null : this.#confirmed });
      for (const { vertexId } of job.tasks) this.due.add(`${barrier.checkpointId} ${vertexId}`);
    };
  }

  /** A new attempt has restored `latest`. */
  restart(latest: CompletedCheckpoint | null): void {
    this.due.clear();
    this.#confirmed = latest === null ? null : this.#barriers.get(latest.metadata.checkpointId)!.barrier;
  }

  async answer(one: string): Promise<void> {
    const [text = "", vertexId = ""] = one.split(" ");
    const id = Number(text);
    const task = { vertexId, subtaskIndex: 0 };
    const { barrier, basis } = this.#barriers.get(id)!;
    try {
      const store = this.job.coordinator.store(id, task);
      const own = await writeRun(store, "exclusive", BYTES);
      const runs = [...own.runs];
      if (barrier.type === "checkpoint") {
        const fresh = await writeRun(store, "shared", BYTES);
        const older = basis === null ? [] : this.#runs.get(`${basis.checkpointId} ${vertexId}`) ?? [];
        this.#runs.set(one, [...older.slice(-2), ...fresh.runs]);
        runs.push(...older.slice(-2), ...fresh.runs);
      }
      this.job.acknowledge(id, vertexId, { keyed: { ...own, runs }, lists: {} });
    } catch (error) {
      this.job.coordinator.decline(task, id, error, "async-failure");
    }
  }
}

test("over random savepoints, stops, restarts and failures all that completed is whole, and nothing else is left", async () => {
  let savepointCount = 0;
  let stopCount = 0;
  const seeds = scaled(60, 2_000);
  for (let seed = 1; seed <= seeds; seed++) {
    const { next } = seededRandom(seed);
    const pick = (count: number) => Math.floor(next() * count);
    const job = new SimulatedJob({
      intervalMs: 20,
      timeoutMs: 80,
      maxConcurrent: 1 + pick(2),
      retained: 1 + pick(3),
      tolerableFailures: Infinity,
    });
    const subtasks = new Subtasks(job);
    const saved: CompletedCheckpoint[] = [];
    let stoppedId = 0;
    const ask = async (synchronous: boolean) => {
      if (synchronous) await job.coordinator.hold();
      try {
        const one = await job.coordinator.trigger({ ...SAVEPOINT, synchronous });
        saved.push(one);
        if (synchronous) stoppedId = one.metadata.checkpointId;
      } catch {
        // Its folder must be gone: looked at below.
        if (synchronous) job.coordinator.release();
      }
    };
    const restart = async () => {
      await job.coordinator.stop("job-failed");
      const latest = job.coordinator.latest();
      ok((latest?.metadata.checkpointId ?? 0) >= stoppedId, `seed ${seed}: nothing goes back behind a stop`);
      subtasks.restart(latest);
      job.coordinator.start();
    };
    job.coordinator.start();
    for (let step = 0; step < 60; step++) {
      job.clock.advance(pick(25));
      await job.clock.settle();
      const action = pick(24);
      if (action < 4) ask(false);
      else if (action === 4) ask(true);
      else if (action === 5) await restart();
      else if (action === 6) job.fs.fail({ code: pick(2) === 0 ? "ENOSPC" : "EIO", after: pick(20) });
      for (const one of [...subtasks.due]) {
        if (next() < 0.4 || !subtasks.due.delete(one)) continue;
        const [id, vertexId = ""] = one.split(" ");
        if (next() < 0.05) job.coordinator.decline({ vertexId, subtaskIndex: 0 }, Number(id), new Error("no"));
        else await subtasks.answer(one);
      }
    }
    job.fs.heal();
    await job.coordinator.stop();
    await job.settle();
    deepEqual(subtasks.violations, [], `seed ${seed}`);
    await checkAll(job, saved, stoppedId, `seed ${seed}`);
    savepointCount += saved.length;
    stopCount += stoppedId > 0 ? 1 : 0;
  }
  ok(savepointCount > 2 * seeds && stopCount > seeds / 4, `${savepointCount} savepoints, ${stopCount} stops`);
});

async function checkAll(
  job: SimulatedJob,
  saved: readonly CompletedCheckpoint[],
  stoppedId: number,
  seed: string,
): Promise<void> {
  const options = { storage: job.storage, verify };
  for (const { externalPath, metadata } of saved) {
    deepEqual((await findAt(externalPath, options)).restored.metadata, metadata, seed);
  }
  // What a failing disk did not let go was told.
  if (!job.events.some(({ kind }) => kind === "cleanup-failed")) {
    const folders = job.fs.has("/savepoints") ? await job.fs.list("/savepoints") : [];
    const expected = saved.map(({ externalPath }) => externalPath.slice("/savepoints/".length)).sort();
    // One that stops the job stays when it is complete, but could not be noted.
    const extra = folders.filter((folder) => !expected.includes(folder));
    for (const folder of extra) {
      ok(
        job.events.some((event) => event.kind === "failed" && event.error.message.includes(folder)),
        `${seed} ${folder}`,
      );
    }
    deepEqual(folders.filter((folder) => !extra.includes(folder)), expected, seed);
  }
  const retained = job.coordinator.retained();
  for (const { metadata } of retained) {
    deepEqual(
      (await findAt(`/checkpoints/job/chk-${metadata.checkpointId}`, options)).restored.metadata,
      metadata,
      seed,
    );
  }
  equal(job.fs.openCount, 0, seed);
  const latest = job.coordinator.latest()?.metadata.checkpointId ?? 0;
  ok(latest >= stoppedId, seed);
  const recovery = await findLatest(options).catch((error: unknown) => error);
  if (recovery instanceof Error) {
    ok(stoppedId > 0 || recovery.message.includes("savepoint"), `${seed}: ${recovery.message}`);
  } else if (stoppedId > 0) {
    const { kind, restored } = recovery as Exclude<Awaited<ReturnType<typeof findLatest>>, { kind: "never-completed" }>;
    ok(kind === "restored" && restored.metadata.checkpointId > stoppedId, seed);
  }
}
