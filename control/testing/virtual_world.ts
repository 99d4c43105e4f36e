/**
 * Runs whole pipelines in this process, deterministically: virtual time, seeded randomness, files in memory. Time moves
 * only when nothing can run; a job can be killed at any file operation and started again on what it has left.
 *
 * Called by: control/testing/run_pipeline.ts; tests of whole jobs.
 * Calls: control/stream_environment.ts, runtime/testing/.
 *
 * @module
 */
// Loads at once what a job loads on demand: no time passes in here while a module is read.
import "../../backends/changelog/changelog_factory.ts";
import "../../backends/changelog/verify_segment.ts";
import "../../runtime/testing/loaded_timers.ts";
import type { JobLock } from "../../checkpoint/job_lock.ts";
import { StreamError } from "../../core/errors.ts";
import type { FileSystem } from "../../core/file_system.ts";
import type { RestartSettings } from "../../runtime/restart_strategy.ts";
import { ManualClock } from "../../runtime/testing/manual_clock.ts";
import { MemoryFileSystem } from "../../runtime/testing/memory_file_system.ts";
import { MortalFileSystem } from "../../runtime/testing/mortal_file_system.ts";
import { SeededRandom } from "../../runtime/testing/seeded_random.ts";
import { StreamEnvironment } from "../stream_environment.ts";
import { type Outcome, VirtualProcess } from "./virtual_process.ts";

/** Options by key; undefined takes an option away. */
export type WorldConfig = Readonly<Record<string, string | number | boolean | undefined>>;

/** Puts a pipeline together. */
export type Build = (env: StreamEnvironment) => void;

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
  /** What the process has for a disk, given the files in memory; these themselves when absent. */
  readonly diskAbove?: (memory: FileSystem) => FileSystem;
  /** Virtual time after which it is taken to hang, milliseconds. Default an hour. */
  readonly timeLimitMs?: number;
}

/** What outlives processes: files, locks, time. */
export class VirtualWorld {
  readonly fileSystem: MemoryFileSystem;
  readonly random: SeededRandom;
  /** That of the newest process. */
  clock: ManualClock = new ManualClock();
  readonly #config: Readonly<Record<string, string | number | boolean>>;
  readonly #locked = new Set<string>();

  /**
   * @param config Options of every process; undefined takes an option away.
   * @param seed Of all randomness.
   * @param files What earlier processes have left; nothing when absent.
   */
  constructor(config: WorldConfig = {}, seed = 1, files?: MemoryFileSystem) {
    this.fileSystem = files ?? new MemoryFileSystem(() => this.clock.nowMs());
    this.random = new SeededRandom(seed);
    this.#config = Object.fromEntries(
      Object.entries(config).flatMap(([key, value]) => value === undefined ? [] : [[key, value]]),
    );
  }

  /** Starts the pipeline as a new process; it gets nowhere until it is driven. */
  async start(build: Build, options: ProcessOptions = {}): Promise<VirtualProcess> {
    // Each step of a slice takes a little time, so that slices end.
    this.clock = new ManualClock({ startMs: this.clock.nowMs(), tickMs: 0.01 });
    const { clock, random } = this;
    const { delayMs, dieAfter, restart, timeLimitMs, diskAbove = (memory) => memory } = options;
    const files = new MortalFileSystem({ below: diskAbove(this.fileSystem), clock });
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
    return new VirtualProcess(job, clock, files, () => {
      this.fileSystem.kill();
      for (const folder of held) this.#locked.delete(folder);
    }, timeLimitMs);
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
