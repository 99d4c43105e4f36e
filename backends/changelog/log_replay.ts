/**
 * Turns the log of a keyed state into sorted runs, so that whatever restores it sees nothing but runs.
 *
 * Changes are gathered up to a size, sorted, reduced to the last of each row and written as one run, then the next. The
 * elements of lists get their numbers here, in the order in which they were added.
 *
 * Called by: runtime/operators/opened_backend.ts and control/cli/opened_checkpoint.ts, by dynamic import;
 * changelog_backend.ts.
 * Calls: log_reader.ts, ../runs/, ../states/slices.ts.
 *
 * Invariants:
 * - a run is younger than all before it, and younger than those that the log builds on;
 * - a row that is written or removed hides the rows of that name in every format that the older runs may hold it in.
 *
 * @module
 */
import type { Clock } from "../../core/clock.ts";
import { SnapshotCorruptError } from "../../core/errors.ts";
import { intersect, type KeyGroupRange } from "../../core/key_groups.ts";
import type {
  FileRef,
  KeyedStateHandle,
  LogSegment,
  RunHandle,
  SnapshotFile,
  SnapshotReader,
} from "../../core/snapshot.ts";
import { OpenRun } from "../runs/open_run.ts";
import { DELETE, DELETE_PREFIX, PUT, type RunState } from "../runs/run_format.ts";
import { RunWriter } from "../runs/run_writer.ts";
import { checkRestoredKind, sameFormat } from "../states/state_checks.ts";
import { Slices } from "../states/slices.ts";
import { LOG_APPEND, LOG_DELETE_PREFIX, LOG_PUT } from "./log_format.ts";
import { LogReader } from "./log_reader.ts";
import { ReplayBatch } from "./replay_batch.ts";

/** Changes that are sorted together, bytes: what a replay takes in memory, besides the runs that it makes. */
const BATCH_BYTES = 33_554_432;
/** Changes between two looks at the clock. */
const CHANGES_PER_LOOK = 1024;

/** How a log is replayed. */
export interface ReplayOptions {
  readonly clock: Clock;
  /** Handles of other key groups are left without their log. */
  readonly keyGroups: KeyGroupRange;
  /** Changes that are sorted together, bytes; 32 MiB when absent. */
  readonly batchBytes?: number;
}

/**
 * Handles without a log, equal to `handles`; those that have none are the same objects.
 *
 * @throws {SnapshotCorruptError} If a file is damaged.
 */
export async function replayLogs(
  handles: readonly KeyedStateHandle[],
  reader: SnapshotReader,
  options: ReplayOptions,
): Promise<KeyedStateHandle[]> {
  const replayed: KeyedStateHandle[] = [];
  for (const handle of handles) {
    const { log, ...withoutLog } = handle;
    if (log === undefined) replayed.push(handle);
    else if (intersect(handle.keyGroups, options.keyGroups) === undefined) replayed.push(withoutLog);
    else replayed.push(await new LogReplay(handle, reader, options).run(log));
  }
  return replayed;
}

/** The ids, in the runs, of one state. */
interface StateTarget {
  readonly id: number;
  /** Of the same state in other formats. */
  readonly others: readonly number[];
}

/** The log of one handle. */
class LogReplay {
  private readonly states: RunState[] = [];
  private readonly batch = new ReplayBatch();
  private readonly slices: Slices;
  private readonly runs: RunHandle[] = [];
  private nextListNumber: number;
  private sinceLook = 0;

  constructor(
    private readonly handle: KeyedStateHandle,
    private readonly reader: SnapshotReader,
    private readonly options: ReplayOptions,
  ) {
    this.nextListNumber = handle.nextListNumber;
    this.slices = new Slices(options.clock);
  }

  async run(log: readonly LogSegment[]): Promise<KeyedStateHandle> {
    const { handle } = this;
    for (const run of handle.runs) await this.noteStates(run);
    for (const segment of log) await this.replay(segment);
    await this.finishRun();
    const { keyGroups, runs, incrementBytes } = handle;
    const all = [...runs, ...this.runs];
    const fullBytes = all.reduce((sum, { file }) => sum + file.sizeBytes, 0);
    return { keyGroups, runs: all, nextListNumber: this.nextListNumber, incrementBytes, fullBytes };
  }

  private async noteStates(run: RunHandle): Promise<void> {
    const opened = await OpenRun.openSnapshot(run, this.reader);
    try {
      for (const state of opened.states) {
        if (!this.states.some(({ id }) => id === state.id)) this.states.push(state);
      }
    } finally {
      opened.close();
    }
  }

  private async replay(segment: LogSegment): Promise<void> {
    const own = intersect(segment.keyGroups, this.handle.keyGroups);
    const range = own === undefined ? undefined : intersect(own, this.options.keyGroups);
    if (range === undefined) return;
    const input = await this.reader.open(segment.file);
    try {
      const changes = new LogReader(input, segment);
      const targets = new Map(changes.states.map((state) => [state.id, this.targetOf(state, input.path)]));
      while (changes.nextFrame()) {
        while (changes.next()) {
          const { bytes, rowStart } = changes;
          const group = (bytes[rowStart]! << 8) | bytes[rowStart + 1]!;
          if (group < range.start || group > range.end) continue;
          this.take(changes, targets, input.path);
          if (++this.sinceLook >= CHANGES_PER_LOOK) await this.look();
        }
        if (this.batch.sizeBytes >= (this.options.batchBytes ?? BATCH_BYTES)) await this.finishRun();
      }
    } finally {
      input.close();
    }
  }

  private async look(): Promise<void> {
    this.sinceLook = 0;
    if (this.slices.isDue()) await this.slices.pause();
  }

  /** The ids of a state of the log; it gets one if it is new. */
  private targetOf(state: RunState, path: string): StateTarget {
    const named = this.states.filter(({ name }) => name === state.name);
    for (const { kind } of named) checkRestoredKind(state.name, kind, state.kind, path);
    const known = named.find((one) => sameFormat(one, state));
    if (known !== undefined) return { id: known.id, others: idsOf(named, known.id) };
    const id = this.states.reduce((next, one) => Math.max(next, one.id + 1), 0);
    this.states.push({ ...state, id });
    return { id, others: idsOf(named, id) };
  }

  private take(changes: LogReader, targets: ReadonlyMap<number, StateTarget>, path: string): void {
    const { bytes, rowStart, rowEnd, valueStart, valueEnd, code } = changes;
    const target = targets.get((bytes[rowStart + 2]! << 8) | bytes[rowStart + 3]!);
    if (target === undefined) {
      throw new SnapshotCorruptError(path, { reason: "a change belongs to a state that the state table lacks" });
    }
    const { batch } = this;
    if (code === LOG_APPEND) {
      batch.add(PUT, target.id, bytes, rowStart, rowEnd, valueStart, valueEnd, this.nextListNumber++);
      return;
    }
    const rowCode = code === LOG_PUT ? PUT : code === LOG_DELETE_PREFIX ? DELETE_PREFIX : DELETE;
    batch.add(rowCode, target.id, bytes, rowStart, rowEnd, valueStart, valueEnd, -1);
    const otherCode = code === LOG_DELETE_PREFIX ? DELETE_PREFIX : DELETE;
    for (const id of target.others) batch.add(otherCode, id, bytes, rowStart, rowEnd, 0, 0, -1);
  }

  /** Writes what was gathered. */
  private async finishRun(): Promise<void> {
    const { batch } = this;
    if (batch.count === 0) return;
    const order = batch.sorted();
    const writer = new RunWriter(new MemoryRun());
    for (let i = 0; i < order.length; i++) {
      batch.write(writer, order[i]!);
      if (writer.wantsFlush) await writer.flush();
      if (++this.sinceLook >= CHANGES_PER_LOOK) await this.look();
    }
    const states = this.states.slice().sort((left, right) => left.id - right.id);
    const written = await writer.finish(states);
    this.runs.push({ ...written, level: 0, keyGroups: this.handle.keyGroups });
    batch.clear();
  }
}

function idsOf(states: readonly RunState[], but: number): number[] {
  return states.filter(({ id }) => id !== but).map(({ id }) => id);
}

/** A run in memory; whoever restores it reads it once. */
class MemoryRun implements SnapshotFile {
  private readonly chunks: Uint8Array[] = [];

  write(chunk: Uint8Array): Promise<void> {
    this.chunks.push(chunk.slice());
    return Promise.resolve();
  }

  finish(): Promise<FileRef> {
    const sizeBytes = this.chunks.reduce((sum, { length }) => sum + length, 0);
    const bytes = new Uint8Array(sizeBytes);
    let at = 0;
    for (const chunk of this.chunks) {
      bytes.set(chunk, at);
      at += chunk.length;
    }
    return Promise.resolve({ scope: "inline", bytes, sizeBytes });
  }

  discard(): Promise<void> {
    return Promise.resolve();
  }
}
