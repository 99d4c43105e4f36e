/**
 * Opens the file of a snapshot when its first row comes, and makes the handle when the last one is written.
 *
 * Called by: the heap's snapshots; the rows of another owner in front of an embedded store.
 * Calls: ../runs/run_writer.ts, stoppable_store.ts.
 *
 * Invariants:
 * - after `cancel` every wait ends at once, and the file is discarded.
 *
 * @module
 */
import type { KeyGroupRange } from "../../core/key_groups.ts";
import type { FileScope, KeyedStateHandle, RunHandle, SnapshotFile, SnapshotStore } from "../../core/snapshot.ts";
import type { RunState } from "../runs/run_format.ts";
import { RunWriter } from "../runs/run_writer.ts";
import { StoppableStore } from "./stoppable_store.ts";

/** What an output must know of its snapshot. */
export interface OutputPlan {
  readonly olderRuns: readonly RunHandle[];
  readonly fileScope: FileScope;
  readonly keyGroups: KeyGroupRange;
}

/** The file of one snapshot. */
export class RunOutput {
  private file: SnapshotFile | undefined;
  private writer: RunWriter | undefined;
  private readonly stopping = new AbortController();

  constructor(private readonly plan: OutputPlan) {}

  /** Ends every wait with `reason`. */
  cancel(reason: Error): void {
    this.stopping.abort(reason);
  }

  /** The writer; made, with its file, by the first call. */
  async open(store: SnapshotStore): Promise<RunWriter> {
    if (this.writer === undefined) {
      this.file = await new StoppableStore(store, this.stopping.signal).create(this.plan.fileScope);
      this.writer = new RunWriter(this.file);
    }
    return this.writer;
  }

  /** Hands full chunks to the file. */
  async flush(): Promise<void> {
    await this.writer!.flush();
  }

  /**
   * Ends the file; null when there are no rows at all.
   *
   * @param nextListNumber First number that a list element after the snapshot takes.
   */
  async finish(states: readonly RunState[], nextListNumber: number): Promise<KeyedStateHandle | null> {
    const { olderRuns, keyGroups } = this.plan;
    const runs: RunHandle[] = [...olderRuns];
    let incrementBytes = 0;
    if (this.writer?.rowCount === 0) {
      await this.file!.discard();
      this.file = undefined;
    } else if (this.writer !== undefined) {
      const written = await this.writer.finish(states);
      this.file = undefined;
      runs.push({ ...written, level: 0, keyGroups });
      incrementBytes = written.file.sizeBytes;
    }
    if (runs.length === 0) return null;
    return {
      keyGroups,
      runs: runs.map((run, i) => ({ ...run, level: runs.length - 1 - i })),
      nextListNumber,
      incrementBytes,
      fullBytes: runs.reduce((sum, run) => sum + run.file.sizeBytes, 0),
    };
  }

  /** Removes the file after `cause`. @throws {AggregateError} If that fails too. */
  async discard(cause: unknown): Promise<void> {
    const file = this.file;
    this.file = undefined;
    if (file === undefined) return;
    try {
      await file.discard();
    } catch (error) {
      throw new AggregateError([cause, error], "Cannot write a snapshot, nor remove its unfinished file");
    }
  }
}
