/**
 * Opens a checkpoint or savepoint by its path, and walks the rows of its keyed state.
 *
 * Called by: the commands of files, control/restore_check.ts.
 * Calls: checkpoint/ (metadata, files), backends/runs/.
 *
 * Invariants:
 * - runs of one subtask are merged by age, those of different subtasks never are; rows outside the key groups of a run
 *   are not seen;
 * - memory is bounded by the number of runs, not by their size; a log is in memory as a whole.
 *
 * @module
 */
import { MergeCursor } from "../../backends/runs/merge_cursor.ts";
import { OpenRun } from "../../backends/runs/open_run.ts";
import type { RunState } from "../../backends/runs/run_format.ts";
import { checkSameIds } from "../../backends/states/state_checks.ts";
import type { CheckpointMetadata, OperatorCheckpoint } from "../../checkpoint/completed_checkpoint.ts";
import { FileReader, parentOf, resolvePointer } from "../../checkpoint/filesystem_reader.ts";
import { METADATA_NAME } from "../../checkpoint/durable_files.ts";
import { decodeMetadata } from "../../checkpoint/metadata_reader.ts";
import { SnapshotCorruptError } from "../../core/errors.ts";
import type { FileSystem } from "../../core/file_system.ts";
import { systemClock } from "../../runtime/system_clock.ts";
import type { KeyGroupRange } from "../../core/key_groups.ts";
import type { KeyedStateHandle, SnapshotReader } from "../../core/snapshot.ts";

/** A checkpoint whose metadata was read. */
export interface OpenedCheckpoint {
  /** Its folder. */
  readonly path: string;
  /** Size of `_metadata`. */
  readonly metadataBytes: number;
  readonly metadata: CheckpointMetadata;
  /** Opens its files. */
  readonly reader: SnapshotReader;
}

/**
 * Reads the metadata of a checkpoint or savepoint.
 *
 * @param pointer Path of its folder, or of the metadata in it.
 * @throws {StreamError} If there is none, or it is damaged.
 */
export async function openCheckpoint(fileSystem: FileSystem, pointer: string): Promise<OpenedCheckpoint> {
  const path = await resolvePointer(fileSystem, pointer, METADATA_NAME);
  const file = `${path}/${METADATA_NAME}`;
  const bytes = await fileSystem.readFile(file);
  const reader = new FileReader(fileSystem, { exclusive: path, shared: `${parentOf(path)}/shared` });
  return { path, metadataBytes: bytes.length, metadata: decodeMetadata(bytes, file), reader };
}

/** The keyed state of one subtask, open for reading. */
export class OpenedKeyedState {
  private constructor(readonly runs: readonly OpenRun[], readonly keyGroups: KeyGroupRange) {}

  /** Opens the runs of a subtask. Close it after use. @throws {SnapshotCorruptError} If a file is missing or damaged. */
  static async open(handle: KeyedStateHandle, reader: SnapshotReader): Promise<OpenedKeyedState> {
    const runs: OpenRun[] = [];
    const opened = new OpenedKeyedState(runs, handle.keyGroups);
    try {
      const { runs: all } = await withoutLog(handle, reader);
      for (const run of all) runs.push(await OpenRun.openSnapshot(run, reader));
      checkSameIds(runs);
      return opened;
    } catch (error) {
      opened.close();
      throw error;
    }
  }

  /** Its rows as they count: in order, the newest of each key. */
  rows(): KeyedRowCursor {
    return new KeyedRowCursor(this.runs, this.keyGroups);
  }

  /** Closes all files; safe to call twice. */
  close(): void {
    for (const run of this.runs) run.close();
  }
}

/** A log is turned into runs, in memory. */
async function withoutLog(handle: KeyedStateHandle, reader: SnapshotReader): Promise<KeyedStateHandle> {
  if (handle.log === undefined) return handle;
  const { replayLogs } = await import("../../backends/changelog/log_replay.ts");
  const [replayed] = await replayLogs([handle], reader, { clock: systemClock, keyGroups: handle.keyGroups });
  return replayed!;
}

/** Walks the rows of a subtask; the fields speak of the row that `next` has moved to. */
export class KeyedRowCursor {
  /** What the row belongs to, with the serializer that wrote it. */
  state!: RunState;
  readonly #rows: MergeCursor;
  readonly #states: readonly ReadonlyMap<number, RunState>[];

  constructor(private readonly runs: readonly OpenRun[], keyGroups: KeyGroupRange) {
    this.#rows = new MergeCursor(runs.map((run) => run.rows(keyGroups)));
    this.#states = runs.map((run) => new Map(run.states.map((state) => [state.id, state])));
  }

  /** As of `MergeCursor`. */
  seek(target: Uint8Array, targetBytes: number, boundBytes: number): void {
    this.#rows.seek(target, targetBytes, boundBytes);
  }

  /** Moves to the next row; false when there is none. @throws {SnapshotCorruptError} */
  next(): boolean {
    const rows = this.#rows;
    if (!rows.next()) return false;
    const stateId = (rows.key[2]! << 8) | rows.key[3]!;
    const state = this.#states[rows.runIndex]!.get(stateId);
    if (state === undefined) {
      const reason = `a row belongs to state ${stateId}, which the state table lacks`;
      throw new SnapshotCorruptError(this.path, { reason });
    }
    this.state = state;
    return true;
  }

  /** File of the row, for errors. */
  get path(): string {
    return this.runs[this.#rows.runIndex]!.path;
  }

  /** The whole row key is `key[0..keyBytes-1]`; valid until the next row. */
  get key(): Uint8Array {
    return this.#rows.key;
  }

  get keyBytes(): number {
    return this.#rows.keyBytes;
  }

  /** The value is `value[valueStart..valueEnd-1]`. */
  get value(): Uint8Array {
    return this.#rows.value;
  }

  get valueStart(): number {
    return this.#rows.valueStart;
  }

  get valueEnd(): number {
    return this.#rows.valueEnd;
  }
}

/** Handles of the keyed state of an operator, by subtask; those without are left out. */
export function keyedHandles({ subtasks }: OperatorCheckpoint): KeyedStateHandle[] {
  return subtasks.flatMap(({ snapshot }) => snapshot?.keyed ?? []);
}
