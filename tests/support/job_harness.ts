/**
 * Runs whole pipelines in this process, deterministically: virtual time, seeded randomness, files in memory. Time moves
 * only when nothing can run; a job can be killed at any file operation and started again on what it has left.
 *
 * Called by: tests of whole jobs.
 * Calls: control/stream_environment.ts.
 */
import { StreamEnvironment } from "../../control/stream_environment.ts";
// Loads at once what a job loads on demand: no time passes in here while a module is read.
import "../../backends/changelog/changelog_factory.ts";
import "../../backends/changelog/verify_segment.ts";
import "../../timers/embedded_timer_queue.ts";
import type { JobLock } from "../../checkpoint/job_lock.ts";
import { StreamError } from "../../core/errors.ts";
import type { Job } from "../../runtime/job.ts";
import type { JobResult } from "../../runtime/job_progress.ts";
import type { RestartSettings } from "../../runtime/restart_strategy.ts";
import { SeededRandom } from "../connectors/contexts.ts";
import { DiskWithin } from "./disk_within.ts";
import { ManualClock } from "./manual_clock.ts";
import { MemoryFileSystem } from "./memory_file_system.ts";
import { MortalFileSystem } from "./mortal_file_system.ts";

/** Folder of checkpoints unless `config` names another. */
export const CHECKPOINTS = "/checkpoints";
/** Virtual time after which a job that has not ended is taken to hang, milliseconds. */
const LIMIT_MS = 3_600_000;
/** Rounds without a move of time after which a job is taken to spin. */
const ROUND_LIMIT = 200_000;
/** Turns of the event loop in a row with nothing to do and nothing to wait for, after which a job is taken to hang. */
const PATIENCE = 20;

/** How one process runs the pipeline. */
export interface ProcessOptions {
  /** Options by key, over those of the world. */
  readonly config?: Readonly<Record<string, string | number | boolean>>;
  /** Command line, for example `["--from", "latest"]`. */
  readonly argv?: readonly string[];
  readonly restart?: RestartSettings;
  /** How long each file operation of the job takes, virtual milliseconds ≥ 0. */
  readonly delayMs?: (operation: string, path: string) => number;
  /** Kill -9 after so many file operations of the job. */
  readonly dieAfter?: number;
  /** A folder on the real disk, absolute; all other paths are in memory. */
  readonly diskFolder?: string;
}

/** How a process has ended. */
export type Outcome =
  | { readonly kind: "ended"; readonly result: JobResult }
  | { readonly kind: "failed"; readonly error: unknown }
  | { readonly kind: "killed" };

/** Puts a pipeline together. */
export type Build = (env: StreamEnvironment) => void;

/** Lets every promise reaction run that can: a turn of the real event loop, in which no time is looked at. */
function turn(): Promise<void> {
  const { port1, port2 } = new MessageChannel();
  return new Promise((resolve) => {
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}

/** Options by key, over those of the world; undefined takes an option away. */
export type WorldConfig = Readonly<Record<string, string | number | boolean | undefined>>;

/** What outlives processes: files, locks, time. */
export class TestWorld {
  readonly fileSystem: MemoryFileSystem;
  readonly random: SeededRandom;
  /** That of the newest process. */
  clock: ManualClock = new ManualClock();
  readonly #config: Record<string, string | number | boolean>;
  readonly #locked = new Set<string>();

  /**
   * @param config Over checkpoints every 20 ms in {@link CHECKPOINTS}, every snapshot in a file of its own; undefined
   *   takes an option away.
   * @param seed Of all randomness.
   * @param files What earlier processes have left; nothing when absent.
   */
  constructor(
    config: Readonly<Record<string, string | number | boolean | undefined>> = {},
    seed = 1,
    files?: MemoryFileSystem,
  ) {
    this.fileSystem = files ?? new MemoryFileSystem(() => this.clock.nowMs());
    this.random = new SeededRandom(seed);
    this.#config = {
      "execution.checkpointing.interval": 20,
      "execution.checkpointing.dir": CHECKPOINTS,
      "execution.checkpointing.data-inline-threshold": 0,
    };
    for (const [key, value] of Object.entries(config)) {
      if (value === undefined) delete this.#config[key];
      else this.#config[key] = value;
    }
  }

  /** Starts the pipeline as a new process; it gets nowhere until it is driven. */
  async start(build: Build, options: ProcessOptions = {}): Promise<TestProcess> {
    // Each step of a slice takes a little time, so that slices end.
    this.clock = new ManualClock({ startMs: this.clock.nowMs(), tickMs: 0.01 });
    const { clock, random } = this;
    const { delayMs, dieAfter, restart, diskFolder } = options;
    const below = diskFolder === undefined ? this.fileSystem : new DiskWithin(this.fileSystem, diskFolder);
    const files = new MortalFileSystem({ below, clock });
    const held: string[] = [];
    const env = StreamEnvironment.create({
      argv: options.argv ?? [],
      config: { ...this.#config, ...options.config },
      ...(restart === undefined ? {} : { restart }),
      ports: { clock, random, fileSystem: files, jobLock: this.#lock(held) },
    });
    build(env);
    const job = await env.executeAsync("test");
    // From here on the job runs, and the test owns what it does.
    if (dieAfter !== undefined) files.dieAfter(dieAfter);
    if (delayMs !== undefined) files.delayMs = delayMs;
    return new TestProcess(job, clock, files, () => {
      this.fileSystem.kill();
      for (const folder of held) this.#locked.delete(folder);
    });
  }

  /** Starts the pipeline and drives it to its end. */
  async run(build: Build, options: ProcessOptions = {}): Promise<Outcome> {
    const process = await this.start(build, options);
    return await process.end();
  }

  #lock(held: string[]): JobLock {
    return {
      acquire: (folder) => {
        if (this.#locked.has(folder)) {
          return Promise.reject(new StreamError("invalid", `Cannot lock "${folder}": it is locked`));
        }
        this.#locked.add(folder);
        held.push(folder);
        return Promise.resolve({ release: () => Promise.resolve(void this.#locked.delete(folder)) });
      },
    };
  }
}

/** One run of a pipeline. */
export class TestProcess {
  #outcome: Outcome | null = null;

  constructor(
    readonly job: Job,
    readonly clock: ManualClock,
    readonly files: MortalFileSystem,
    private readonly bury: () => void,
  ) {
    job.result.then(
      (result) => this.#outcome ??= { kind: "ended", result },
      (error) => this.#outcome ??= { kind: "failed", error },
    );
    files.death.then(() => this.#outcome ??= { kind: "killed" });
  }

  /** Null while it runs. */
  get outcome(): Outcome | null {
    return this.#outcome;
  }

  /** Drives it to its end. @throws {Error} When nothing is left that could end it. */
  async end(): Promise<Outcome> {
    await this.until(() => this.#outcome !== null);
    const outcome = this.#outcome!;
    if (outcome.kind === "killed") this.bury();
    return outcome;
  }

  /** Drives it until the condition holds; looked at whenever nothing can run at once. */
  async until(condition: () => boolean): Promise<void> {
    const limitMs = this.clock.nowMs() + LIMIT_MS;
    let idleTurns = 0;
    for (let round = 0;; round++) {
      await turn();
      if (condition() || this.files.isDead) return;
      if (this.clock.runDeferred() > 0) {
        if (round > ROUND_LIMIT) throw new Error(`Cannot end the job: it spins at ${this.clock.nowMs()} ms`);
        continue;
      }
      const dueMs = this.clock.nextDueMs;
      if (dueMs === undefined) {
        // With native code loaded, promises may need more than a turn.
        if (++idleTurns < PATIENCE) continue;
        throw new Error(`Cannot end the job: it waits for ever (${this.job.progress().state})`);
      }
      idleTurns = 0;
      if (dueMs > limitMs) throw new Error(`Cannot end the job: it has not ended after ${LIMIT_MS} ms`);
      if (dueMs > this.clock.nowMs()) round = 0;
      this.clock.advance(Math.max(0, dueMs - this.clock.nowMs()));
    }
  }

  /** Drives it for so much virtual time, also beyond its end. */
  async forMs(ms: number): Promise<void> {
    const untilMs = this.clock.nowMs() + ms;
    this.clock.schedule(ms, () => {});
    await this.until(() => this.clock.nowMs() >= untilMs);
  }

  /** Drives it until the promise has settled, and settles as it does. */
  async settled<T>(promise: Promise<T>): Promise<T> {
    let isSettled = false;
    const mark = () => {
      isSettled = true;
    };
    promise.then(mark, mark);
    await this.until(() => isSettled);
    return await promise;
  }

  /** Ends it as kill -9 does: what it has written stays, nothing else happens. */
  kill(): void {
    this.files.die();
    this.#outcome ??= { kind: "killed" };
    this.bury();
  }
}
