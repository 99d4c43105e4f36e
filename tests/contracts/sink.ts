/** What every exactly-once sink promises. Run by each implementation in connectors/, and by the example of a user's own. */
import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { test } from "node:test";
import type { FileSystem } from "../../core/file_system.ts";
import { StreamError } from "../../core/errors.ts";
import type { Sink, SinkContext, SinkStart, SinkWriter } from "../../core/sink.ts";
import { SeededRandom, sinkContext, throughCheckpoint } from "../connectors/contexts.ts";
import { MemoryFileSystem } from "../support/memory_file_system.ts";

/** A sink under test, with the place that it writes to. */
export interface SinkCase<T, C> {
  readonly sink: Sink<T, C>;
  /** The `index`th record. */
  record(index: number): T;
  /** What readers see. Ordered per subtask and transaction. */
  visible(): T[] | Promise<T[]>;
  /** Where it writes to if it writes to files. One in memory is also stopped within each operation. */
  readonly fileSystem?: FileSystem;
  /** Removes what the case has made. */
  dispose?(): void;
}

/** What differs between sinks. */
export interface SinkExemptions {
  /** Why a fresh start does not refuse output of an earlier run. Absent: it does. */
  readonly mixesRuns?: string;
}

/** What a completed checkpoint holds of a sink. */
interface Completed {
  readonly checkpointId: number;
  /** Records before it. */
  readonly position: number;
  /** Transactions of each subtask that it covers. */
  readonly pending: readonly unknown[];
}

/** Records of each transaction in the runs below, per subtask. */
const TRANSACTION = 3;
const CHECKPOINTS = 3;

/** The process dies here. */
class Death extends Error {}

/** A job of one sink: writes transactions, completes checkpoints, commits them; dies where it is told to. */
class SinkJob<T, C> {
  readonly #given: SinkCase<T, C>;
  readonly #parallelism: number;
  completed: Completed | null = null;
  lastId = 0;
  #started = false;
  steps = 0;
  /** Step before which it dies. */
  dieAt = Infinity;

  constructor(given: SinkCase<T, C>, parallelism = 1) {
    this.#given = given;
    this.#parallelism = parallelism;
  }

  /** Runs from where the last completed checkpoint was until all transactions are committed. */
  async run(parallelism: number = this.#parallelism): Promise<void> {
    const writers = await this.#recover(parallelism);
    const total = TRANSACTION * CHECKPOINTS;
    let position = this.completed?.position ?? 0;
    while (position < total) {
      for (let count = 0; count < TRANSACTION; count++, position++) {
        this.#step();
        writers[position % parallelism]?.write(this.#given.record(position), position);
      }
      await this.#checkpoint(writers, position);
    }
    for (const writer of writers) await writer.close();
  }

  async #recover(parallelism: number): Promise<SinkWriter<T, C>[]> {
    const start: SinkStart = this.completed !== null
      ? { kind: "restore", checkpointId: this.completed.checkpointId }
      : { kind: this.#started ? "restart" : "fresh" };
    this.#started = true;
    const writers: SinkWriter<T, C>[] = [];
    for (let subtaskIndex = 0; subtaskIndex < parallelism; subtaskIndex++) {
      writers.push(await this.#given.sink.open(contextOf(this.#given, { subtaskIndex, parallelism })));
    }
    for (const writer of writers) {
      this.#step();
      await writer.recover(start);
    }
    if (this.completed !== null) await this.#commit(writers, this.completed);
    return writers;
  }

  async #checkpoint(writers: SinkWriter<T, C>[], position: number): Promise<void> {
    const checkpointId = ++this.lastId;
    this.#step();
    const prepared = writers.map((writer) => writer.prepareCommit(checkpointId));
    const pending: unknown[] = [];
    for (const prepare of prepared) {
      this.#step();
      const committable = await prepare();
      if (committable !== undefined) pending.push(throughCheckpoint(committable));
    }
    this.#step();
    this.completed = { checkpointId, position, pending };
    await this.#commit(writers, this.completed);
  }

  /** Hands transactions to subtasks in turn, as a restore with another parallelism does. */
  async #commit(writers: SinkWriter<T, C>[], { checkpointId, pending }: Completed): Promise<void> {
    for (const [index, committable] of pending.entries()) {
      this.#step();
      // Written by a writer of this sink, so it is of its type.
      await writers[index % writers.length]?.commit(throughCheckpoint(committable) as C, checkpointId);
    }
  }

  #step(): void {
    if (this.steps++ === this.dieAt) throw new Death();
  }
}

function contextOf<T, C>(given: SinkCase<T, C>, overrides: Partial<SinkContext>): SinkContext {
  return sinkContext(given.fileSystem ?? new MemoryFileSystem(), overrides);
}

/** Dies once where `job` is told to, then runs to the end with `parallelism`. */
async function dieAndRunOn<T, C>(job: SinkJob<T, C>, parallelism: number, onDeath: () => void): Promise<void> {
  try {
    await job.run();
  } catch (error) {
    if (!(error instanceof Death || (error instanceof Error && /EHALT/.test(causes(error))))) throw error;
    onDeath();
  }
  job.dieAt = Infinity;
  await job.run(parallelism);
}

/** Messages of an error and of what has caused it. */
function causes(error: Error): string {
  return error.cause instanceof Error ? `${error.message} ${causes(error.cause)}` : error.message;
}

async function checkAll<T, C>(given: SinkCase<T, C>, where: string): Promise<void> {
  const expected = Array.from({ length: TRANSACTION * CHECKPOINTS }, (_, index) => given.record(index));
  const sorted = (values: readonly unknown[]) => values.map((value) => JSON.stringify(value)).sort();
  deepEqual(sorted(await given.visible()), sorted(expected), where);
}

async function opened<T, C>(given: SinkCase<T, C>, start: SinkStart): Promise<SinkWriter<T, C>> {
  const writer = await given.sink.open(contextOf(given, {}));
  await writer.recover(start);
  return writer;
}

/**
 * @param name Of the sink in the names of the tests.
 * @param make Makes a case anew, with nothing written yet.
 */
export function sinkContract<T, C>(name: string, make: () => SinkCase<T, C>, exemptions: SinkExemptions = {}): void {
  twoPhases(name, make);
  startKinds(name, make, exemptions);
  deaths(name, make);
  const probe = make();
  probe.dispose?.();
  if (probe.fileSystem instanceof MemoryFileSystem) deathsInOperations(name, make);
}

function twoPhases<T, C>(name: string, make: () => SinkCase<T, C>): void {
  test(`${name} shows a transaction when it is committed, not before, in order`, async () => {
    const given = make();
    equal(given.sink.guarantee, "exactly-once");
    const writer = await opened(given, { kind: "fresh" });
    writer.write(given.record(0), 0);
    writer.write(given.record(1), 1);
    const prepare = writer.prepareCommit(1);
    writer.write(given.record(2), 2);
    deepEqual(await given.visible(), []);
    const committable = await prepare();
    ok(committable !== undefined);
    deepEqual(await given.visible(), []);
    await writer.commit(committable, 1);
    deepEqual(await given.visible(), [given.record(0), given.record(1)]);
    await writer.commit(throughCheckpoint(committable), 1);
    deepEqual(await given.visible(), [given.record(0), given.record(1)]);
    const next = await writer.prepareCommit(2)();
    ok(next !== undefined);
    await writer.commit(next, 2);
    deepEqual(await given.visible(), [given.record(0), given.record(1), given.record(2)]);
    await writer.close();
    given.dispose?.();
  });

  test(`${name} has nothing to commit when nothing was written`, async () => {
    const given = make();
    const writer = await opened(given, { kind: "fresh" });
    equal(await writer.prepareCommit(1)(), undefined);
    writer.write(given.record(0), 0);
    ok(await writer.prepareCommit(2)() !== undefined);
    equal(await writer.prepareCommit(3)(), undefined);
    await writer.close();
    deepEqual(await given.visible(), []);
    given.dispose?.();
  });

  test(`${name} commits a transaction whose checkpoint has failed together with a later one`, async () => {
    const given = make();
    const writer = await opened(given, { kind: "fresh" });
    writer.write(given.record(0), 0);
    const first = await writer.prepareCommit(1)();
    writer.write(given.record(1), 1);
    const second = await writer.prepareCommit(2)();
    ok(first !== undefined && second !== undefined);
    await writer.commit(first, 1);
    await writer.commit(second, 2);
    deepEqual(await given.visible(), [given.record(0), given.record(1)]);
    await writer.close();
    given.dispose?.();
  });

  test(`${name} closes with a transaction open, twice, and shows nothing of it`, async () => {
    const given = make();
    const writer = await opened(given, { kind: "fresh" });
    writer.write(given.record(0), 0);
    await writer.close();
    await writer.close();
    deepEqual(await given.visible(), []);
    if (given.fileSystem instanceof MemoryFileSystem) equal(given.fileSystem.openCount, 0);
    given.dispose?.();
  });
}

function startKinds<T, C>(name: string, make: () => SinkCase<T, C>, exemptions: SinkExemptions): void {
  test(`${name} refuses a fresh start over output of an earlier run`, {
    skip: exemptions.mixesRuns ?? false,
  }, async () => {
    const given = make();
    const job = new SinkJob(given);
    await job.run();
    const again = await given.sink.open(contextOf(given, {}));
    await rejects(
      async () => await again.recover({ kind: "fresh" }),
      (error) => error instanceof StreamError && error.kind === "invalid",
    );
    await again.close();
    await checkAll(given, "nothing was taken away");
    given.dispose?.();
  });

  test(`${name} clears what a run without a completed checkpoint has left`, async () => {
    const given = make();
    const job = new SinkJob(given);
    job.dieAt = 1 + TRANSACTION + 2; // The first checkpoint is prepared and not complete.
    await dieAndRunOn(job, 1, () => killed(given));
    await checkAll(given, "restarted");
    given.dispose?.();
  });

  test(`${name} takes back what checkpoints after the restored one have committed`, async () => {
    const given = make();
    const job = new SinkJob(given);
    let older: Completed | null = null;
    job.dieAt = 1 + 2 * (TRANSACTION + 4); // Two checkpoints are complete and committed.
    await job.run().catch((error: unknown) => ok(error instanceof Death));
    equal((await given.visible()).length, 2 * TRANSACTION);
    older = { ...(job.completed ?? fail()), checkpointId: 1, position: TRANSACTION, pending: [] };
    job.completed = older;
    job.dieAt = Infinity;
    await job.run();
    await checkAll(given, "restored from the older one");
    given.dispose?.();
  });
}

/** What a killed process leaves: all that it has written, and no open file. */
function killed<T, C>(given: SinkCase<T, C>): void {
  if (given.fileSystem instanceof MemoryFileSystem) given.fileSystem.kill();
}

function fail(): never {
  throw new Error("no checkpoint has completed");
}

function deaths<T, C>(name: string, make: () => SinkCase<T, C>): void {
  test(`${name} shows each record once, wherever between two steps the process dies`, { timeout: 60_000 }, async () => {
    for (const [before, after] of [[1, 1], [2, 2], [2, 1], [1, 3]] as const) {
      for (let dieAt = 0;; dieAt++) {
        const given = make();
        const job = new SinkJob(given, before);
        job.dieAt = dieAt;
        let died = false;
        await dieAndRunOn(job, after, () => {
          died = true;
          killed(given);
        });
        if (died) await checkAll(given, `died before step ${dieAt}, subtasks ${before} → ${after}`);
        given.dispose?.();
        if (!died) break;
      }
    }
  });
}

/** The way in which a process ends within an operation. */
const ENDS: readonly (readonly [string, (files: MemoryFileSystem, seed: number) => void])[] = [
  ["kill -9", (files) => files.kill()],
  ["a power cut that loses all that was not synced", (files) => files.crash()],
  ["a power cut that loses some of what was not synced", (files, seed) => {
    const random = new SeededRandom(seed);
    files.crash({ random: () => random.next() });
  }],
];

function deathsInOperations<T, C>(name: string, make: () => SinkCase<T, C>): void {
  for (const [what, end] of ENDS) {
    test(`${name} shows each record once after ${what} in any file operation, also in one of the recovery`, async () => {
      for (const [before, after] of [[1, 1], [2, 1], [1, 2]] as const) {
        for (let operations = 0;; operations++) {
          const given = make();
          const files = given.fileSystem;
          ok(files instanceof MemoryFileSystem);
          const job = new SinkJob(given, before);
          files.haltAfter(operations);
          let died = false;
          await dieAndRunOn(job, after, () => {
            died = true;
            end(files, operations);
            files.haltAfter(operations % 23); // Dies again soon: in the recovery or right after it.
          }).catch((error: unknown) => {
            if (!(error instanceof Error && /EHALT/.test(causes(error)))) throw error;
            end(files, operations + 1);
            return job.run(after);
          });
          if (died) await checkAll(given, `died after ${operations} operations, subtasks ${before} → ${after}`);
          else break;
        }
      }
    });
  }
}
