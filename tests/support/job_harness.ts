/**
 * Runs whole pipelines in this process, as control/testing/virtual_world.ts does for users, with checkpoints and, if
 * need be, a part of the real disk.
 *
 * Called by: tests of whole jobs.
 * Calls: control/testing/.
 */
import { equal, ok } from "node:assert/strict";
import {
  type Build,
  type ProcessOptions as VirtualOptions,
  VirtualWorld,
  type WorldConfig,
} from "../../control/testing/virtual_world.ts";
import { StreamError } from "../../core/errors.ts";
import { DiskWithin } from "./disk_within.ts";
import type { MemoryFileSystem } from "./memory_file_system.ts";
import { type Outcome, VirtualProcess as TestProcess } from "../../control/testing/virtual_process.ts";

export { type Build, type Outcome, TestProcess, type WorldConfig };

/** Folder of checkpoints unless `config` names another. */
export const CHECKPOINTS = "/checkpoints";

/** How one process runs the pipeline. */
export interface ProcessOptions extends VirtualOptions {
  /** A folder on the real disk, absolute; all other paths are in memory. */
  readonly diskFolder?: string;
}

/** What outlives processes: files, locks, time. */
export class TestWorld extends VirtualWorld {
  /**
   * @param config Over checkpoints every 20 ms in {@link CHECKPOINTS}, every snapshot in a file of its own; undefined
   *   takes an option away.
   * @param seed Of all randomness.
   * @param files What earlier processes have left; nothing when absent.
   */
  constructor(config: WorldConfig = {}, seed = 1, files?: MemoryFileSystem) {
    const defaults = {
      "execution.checkpointing.interval": 20,
      "execution.checkpointing.dir": CHECKPOINTS,
      "execution.checkpointing.data-inline-threshold": 0,
    };
    super({ ...defaults, ...config }, seed, files);
  }

  override async start(build: Build, { diskFolder, ...options }: ProcessOptions = {}): Promise<TestProcess> {
    if (diskFolder === undefined) return await super.start(build, options);
    return await super.start(build, { ...options, diskAbove: (memory) => new DiskWithin(memory, diskFolder) });
  }

  override async run(build: Build, options: ProcessOptions = {}): Promise<Outcome> {
    return await (await this.start(build, options)).end();
  }
}

/** The state in which a job has ended, or "killed". @throws What it has failed with, as the cause of the context. */
export function stateOf(outcome: Outcome, context?: string): string {
  if (outcome.kind === "failed") {
    throw context === undefined ? outcome.error : new Error(context, { cause: outcome.error });
  }
  return outcome.kind === "ended" ? outcome.result.state : outcome.kind;
}

/** Fails unless the job has come to the end of its input. */
export function checkFinished(outcome: Outcome, context?: string): void {
  equal(stateOf(outcome, context), "finished", context);
}

/** What a job has failed with. */
export function failureOf(outcome: Outcome, context = "the job must fail"): StreamError {
  ok(outcome.kind === "failed" && outcome.error instanceof StreamError, `${context}: ${outcome.kind}`);
  return outcome.error;
}
