/**
 * Runs whole jobs in this process on a clock that tests own, with checkpoints in memory.
 *
 * Called by: tests of runtime/.
 * Calls: control/stream_environment.ts.
 */
import { StreamEnvironment } from "../../control/stream_environment.ts";
import type { Clock } from "../../core/clock.ts";
import type { ReadStatus, Source, SourceContext, SourceOutput, SplitPosition } from "../../core/source.ts";
import type { Sink } from "../../core/sink.ts";
import type { Job } from "../../runtime/job.ts";
import type { JobResult } from "../../runtime/job_progress.ts";
import { noRestart, type RestartSettings } from "../../runtime/restart_strategy.ts";
import { SeededRandom } from "../connectors/contexts.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { MemoryFileSystem } from "../support/memory_file_system.ts";

/** Virtual time after which a job that has not come to its end is taken to hang, milliseconds. */
const LIMIT_MS = 600_000;
/** Rounds at one moment of virtual time after which a job is taken to spin. */
const ROUND_LIMIT = 100_000;

/** Checkpoints in memory, taken on demand only: the interval is longer than any test. */
export const ON_DEMAND = { "execution.checkpointing.interval": "1 d", "execution.checkpointing.storage": "jobmanager" };

export interface EngineOptions {
  readonly config?: Readonly<Record<string, string | number | boolean>>;
  readonly restart?: RestartSettings;
  /** Shared by several jobs, for files of checkpoints. */
  readonly fileSystem?: MemoryFileSystem;
  readonly argv?: readonly string[];
  /** What each look at the monotonic clock costs, milliseconds; 0.05 when absent. */
  readonly tickMs?: number;
}

/** A job under way. */
export class EngineRun {
  #isOver = false;

  constructor(readonly job: Job, readonly clock: ManualClock) {
    const over = () => {
      this.#isOver = true;
    };
    job.result.then(over, over);
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Lets everything run that can at this moment, then moves time on, until the condition holds. */
  async until(condition: () => boolean): Promise<void> {
    const limitMs = this.clock.nowMs() + LIMIT_MS;
    for (let round = 0; !condition();) {
      await this.clock.settle();
      if (condition()) return;
      if (this.clock.runDeferred() > 0) {
        if (++round > ROUND_LIMIT) throw new Error(`Cannot go on: the job spins at ${this.clock.nowMs()} ms`);
        continue;
      }
      round = 0;
      if (this.clock.nowMs() > limitMs) throw new Error(`Cannot go on: it still waits after ${LIMIT_MS} ms`);
      this.clock.advance(5);
    }
  }

  /** Runs at most so many rounds of the event loop, without moving time. */
  async rounds(count: number): Promise<void> {
    for (let round = 0; round < count; round++) {
      await this.clock.settle();
      this.clock.runDeferred();
    }
    await this.clock.settle();
  }

  /** Drives the job until the promise has settled, and settles as it does. */
  async settled<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const mark = () => {
      isSettled = true;
    };
    promise.then(mark, mark);
    await this.until(() => isSettled);
    return await promise;
  }

  /** Drives the job to its end. */
  end(): Promise<JobResult> {
    return this.settled(this.job.result);
  }
}

/** Starts a job; it gets nowhere until it is driven. */
export async function startJob(
  build: (env: StreamEnvironment) => void,
  options: EngineOptions = {},
): Promise<EngineRun> {
  const clock = new ManualClock({ startMs: 1_000_000, tickMs: options.tickMs ?? 0.05 });
  const fileSystem = options.fileSystem ?? new MemoryFileSystem(() => clock.nowMs());
  const env = StreamEnvironment.create({
    argv: options.argv ?? [],
    config: options.config ?? {},
    restart: options.restart ?? noRestart(),
    ports: {
      clock,
      random: new SeededRandom(1),
      fileSystem,
      jobLock: { acquire: () => Promise.resolve({ release: () => Promise.resolve() }) },
    },
  });
  build(env);
  return new EngineRun(await env.executeAsync("test"), clock);
}

/** Runs a job to its end. */
export async function runJob(build: (env: StreamEnvironment) => void, options: EngineOptions = {}): Promise<JobResult> {
  return await (await startJob(build, options)).end();
}

/** Runs a job that must fail, and returns its error. */
export async function failJob(build: (env: StreamEnvironment) => void, options: EngineOptions = {}): Promise<Error> {
  try {
    await runJob(build, options);
  } catch (error) {
    if (error instanceof Error) return error;
    throw error;
  }
  throw new Error("the job must fail, but it has ended");
}

/** A source whose records a test hands out piece by piece; split by subtask, replayable. */
export class ValveSource<T> implements Source<T> {
  readonly boundedness = "bounded";
  readonly replayable = true;
  /** Records read so far, of all attempts together. */
  recordsRead = 0;
  #open = 0;
  #isEnding = false;
  #wake: (() => void)[] = [];

  /** @param inputs Records of each subtask. */
  constructor(private readonly inputs: readonly (readonly T[])[]) {}

  get maxParallelism(): number {
    return this.inputs.length;
  }

  /** Lets each subtask read up to this many of its records. */
  openTo(count: number): void {
    this.#open = count;
    this.#notify();
  }

  /** Lets it read everything and end. */
  finish(): void {
    this.#isEnding = true;
    this.openTo(Number.POSITIVE_INFINITY);
  }

  #notify(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }

  open(context: SourceContext) {
    const input = this.inputs[context.subtaskIndex] ?? [];
    const split = `split-${context.subtaskIndex}`;
    // Written by `position` below.
    let next = Number(context.restored?.find((one) => one.split === split)?.position ?? 0);
    return {
      read: (output: SourceOutput<T>): ReadStatus => {
        while (next < Math.min(input.length, this.#open)) {
          this.recordsRead++;
          // Below the length of the array.
          if (!output.collect(input[next++] as T, Number.NEGATIVE_INFINITY)) return "ready";
        }
        if (this.#isEnding && next >= input.length) return "ended";
        return new Promise<void>((resolve) => this.#wake.push(resolve));
      },
      position: (): readonly SplitPosition[] => [{ split, position: next }],
      close: () => {},
    };
  }
}

/** A sink that a test can hold back: it takes `room` records, then waits until there is more room. */
export class ValveSink<T> implements Sink<T> {
  readonly guarantee = "at-least-once";
  readonly values: T[] = [];
  readonly #wake: (() => void)[] = [];

  constructor(private room: number) {}

  /** Gives room for so many more. */
  admit(count: number): void {
    this.room += count;
    if (this.room > 0) { for (const wake of this.#wake.splice(0)) wake(); }
  }

  open() {
    return {
      recover: () => {},
      write: (value: T) => {
        this.room--;
        this.values.push(value);
      },
      backpressure: () => this.room > 0 ? undefined : new Promise<void>((resolve) => this.#wake.push(resolve)),
      prepareCommit: () => () => Promise.resolve(undefined),
      commit: () => {},
      close: () => {},
    };
  }
}

/** For tests that build parts of the engine by hand. */
export function manualClock(): ManualClock & Clock {
  return new ManualClock({ startMs: 1_000_000 });
}
