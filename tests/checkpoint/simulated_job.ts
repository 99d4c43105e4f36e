/** A job of which only the subtasks' answers are simulated: what a coordinator is tested against. */
import type { CheckpointTasks } from "../../checkpoint/coordinator_ports.ts";
import type { CheckpointEvent, CoordinatorSettings } from "../../checkpoint/coordinator_ports.ts";
import type { CheckpointProperties } from "../../checkpoint/checkpoint_properties.ts";
import { CheckpointCoordinator } from "../../checkpoint/coordinator.ts";
import type { SubtaskStatus } from "../../checkpoint/checkpoint_plan.ts";
import { CheckpointFailedError } from "../../checkpoint/failure.ts";
import { FilesystemStorage } from "../../checkpoint/filesystem_storage.ts";
import { FilesystemSavepoints } from "../../checkpoint/savepoint_storage.ts";
import type { CheckpointStorage, SavepointStorage, SubtaskRef } from "../../checkpoint/storage.ts";
import type { Random } from "../../core/clock.ts";
import type { Barrier } from "../../core/element.ts";
import type {
  FileScope,
  KeyedStateHandle,
  OperatorSnapshot,
  SnapshotFigures,
  SnapshotStore,
} from "../../core/snapshot.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { MemoryFileSystem } from "../support/memory_file_system.ts";

/** Seeded randomness: the same numbers and ids each time. */
export function seededRandom(seed = 1): Random {
  let state = seed >>> 0;
  const next = () => {
    // Source: mulberry32.
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 0x1_0000_0000;
  };
  const id = () => Array.from({ length: 4 }, () => Math.floor(next() * 2 ** 32).toString(16).padStart(8, "0")).join("");
  return { next, id };
}

export const NO_FIGURES: SnapshotFigures = {
  syncMs: 0,
  asyncMs: 0,
  alignmentMs: 0,
  startDelayMs: 0,
  incrementBytes: 0,
  fullBytes: 0,
};

export const DEFAULTS: CoordinatorSettings = {
  intervalMs: null,
  timeoutMs: 1_000,
  minPauseMs: 0,
  maxConcurrent: 1,
  tolerableFailures: 0,
  retained: 1,
  checkpointsAfterTasksFinish: true,
  incremental: true,
  retention: "RETAIN_ON_CANCELLATION",
};

/** A savepoint as a user asks for it. */
export const SAVEPOINT: Pick<CheckpointProperties, "type" | "format" | "directory"> = {
  type: "savepoint",
  format: "canonical",
  directory: "/savepoints",
};

/** A savepoint with which the job stops. */
export const STOP: typeof SAVEPOINT & { synchronous: true } = { ...SAVEPOINT, synchronous: true };

/** One subtask per name, source first. */
export function subtask(vertexId: string, changes: Partial<SubtaskStatus> = {}): SubtaskStatus {
  return {
    vertexId,
    vertexName: vertexId,
    subtaskIndex: 0,
    parallelism: 1,
    maxParallelism: 128,
    operators: [{ id: vertexId, name: vertexId }],
    status: "running",
    predecessorsFinished: vertexId === "source",
    finalSnapshot: null,
    ...changes,
  };
}

/** Writes one file and gives the handle of a keyed state with it. */
export async function writeRun(store: SnapshotStore, scope: FileScope, bytes: Uint8Array): Promise<KeyedStateHandle> {
  const target = await store.create(scope);
  await target.write(bytes);
  const file = await target.finish();
  const keyGroups = { start: 0, end: 127 };
  return {
    keyGroups,
    runs: [{ file, level: 0, keyGroups, rowCount: 1, footerCrc32: 7 }],
    nextListNumber: 0,
    incrementBytes: bytes.length,
    fullBytes: bytes.length,
  };
}

/** The port that a coordinator drives, with a log of what it did. */
export class SimulatedJob implements CheckpointTasks {
  readonly clock = new ManualClock({ startMs: 1_000_000 });
  readonly fs: MemoryFileSystem;
  readonly storage: CheckpointStorage;
  readonly coordinator: CheckpointCoordinator;
  readonly events: CheckpointEvent[] = [];
  /** In order: "trigger source 1", "complete 1", "abort 2 after 1", "fail …". */
  readonly log: string[] = [];
  readonly barriers: Barrier[] = [];
  tasks: SubtaskStatus[] = [subtask("source"), subtask("sink")];

  /**
   * @param fs That of another job; one of its own when absent.
   * @param wrap Around the storage of savepoints.
   */
  constructor(
    settings: Partial<CoordinatorSettings> = {},
    storage?: (fs: MemoryFileSystem) => CheckpointStorage,
    fs?: MemoryFileSystem,
    wrap: (savepoints: SavepointStorage) => SavepointStorage = (savepoints) => savepoints,
  ) {
    this.fs = fs ?? new MemoryFileSystem(() => this.clock.nowMs());
    this.storage = storage?.(this.fs) ??
      new FilesystemStorage({
        fileSystem: this.fs,
        random: seededRandom(),
        root: "/checkpoints",
        jobId: "job",
        inlineBytes: 8,
      });
    this.coordinator = new CheckpointCoordinator({
      storage: this.storage,
      savepoints: wrap(
        new FilesystemSavepoints({
          fileSystem: this.fs,
          random: seededRandom(2),
          jobId: "abcdef0123456789abcdef0123456789",
          inlineBytes: 8,
        }),
      ),
      tasks: this,
      clock: this.clock,
      job: { id: "job", name: "a job", startedMs: 1_000_000, restoredFrom: null },
      settings: { ...DEFAULTS, ...settings },
      listener: (event) => this.events.push(event),
    });
  }

  subtasks(): readonly SubtaskStatus[] {
    return this.tasks;
  }

  trigger({ vertexId }: SubtaskRef, barrier: Barrier): void {
    this.log.push(`trigger ${vertexId} ${barrier.checkpointId}`);
    if (this.barriers.at(-1) !== barrier) this.barriers.push(barrier);
  }

  notifyComplete(checkpointId: number): void {
    this.log.push(`complete ${checkpointId}`);
  }

  notifyAborted(checkpointId: number, latest: number | null): void {
    this.log.push(`abort ${checkpointId} after ${latest}`);
  }

  failJob(error: Error): void {
    this.log.push(`fail: ${error.message}`);
  }

  /** Answers for one subtask, or for all that run. */
  acknowledge(checkpointId: number, vertexId?: string, snapshot?: OperatorSnapshot): void {
    for (const task of this.tasks) {
      if (task.status !== "running" || (vertexId !== undefined && task.vertexId !== vertexId)) continue;
      const snapshots = new Map(snapshot === undefined ? [] : [[task.vertexId, snapshot]]);
      this.coordinator.acknowledge(task, checkpointId, snapshots, NO_FIGURES);
    }
  }

  /** Asks for a checkpoint and lets it begin. `outcome()` is "completed <id>" or the reason of its failure, once there is one. */
  async begin(properties: Parameters<CheckpointCoordinator["trigger"]>[0] = {}): Promise<() => string | null> {
    let outcome: string | null = null;
    this.coordinator.trigger(properties).then(
      (checkpoint) => outcome = `completed ${checkpoint.metadata.checkpointId}`,
      (error) => outcome = error instanceof CheckpointFailedError ? error.reason : String(error),
    );
    await this.clock.settle();
    return () => outcome;
  }

  /** Takes a whole checkpoint. */
  async take(properties: Parameters<CheckpointCoordinator["trigger"]>[0] = {}): Promise<number> {
    const done = this.coordinator.trigger(properties);
    await this.clock.settle();
    const id = this.barriers.at(-1)!.checkpointId;
    this.acknowledge(id);
    await this.settle();
    return (await done).metadata.checkpointId;
  }

  /** Lets the storage come to rest. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 4; turn++) await this.clock.settle();
    await this.coordinator.idle();
    await this.clock.settle();
  }
}
