/**
 * Brings the runs of older snapshots into a store: files are linked as they are, each shown in the key groups only in
 * which it is valid. Rows are rewritten only where a state has another id than it had.
 *
 * Runs of one handle stay in the order of their age. Runs of different handles have different key groups, so in whichever
 * order they come into a level, none hides a row of another.
 *
 * Called by: lsm_store.ts.
 * Calls: run_file.ts, run_builder.ts, ../runs/merge_cursor.ts, ../states/slices.ts; the snapshot reader.
 *
 * @module
 */
import type { Clock } from "../../core/clock.ts";
import { SnapshotCorruptError } from "../../core/errors.ts";
import { intersect, type KeyGroupRange } from "../../core/key_groups.ts";
import type { FileRef, RunHandle, SnapshotReader } from "../../core/snapshot.ts";
import type { RestorableHandle } from "../embedded/row_store.ts";
import { writeFailure } from "../runs/file_failure.ts";
import { MergeCursor } from "../runs/merge_cursor.ts";
import { PUT, type RunState } from "../runs/run_format.ts";
import { ROUTE_BYTES } from "../runs/row_prefix.ts";
import { Slices } from "../states/slices.ts";
import { totalBytes } from "./compaction_picker.ts";
import { RunBuilder, type RunBuilderPorts } from "./run_builder.ts";
import { RunFile } from "./run_file.ts";
import { areDisjoint, RunView } from "./version.ts";

/** Read and written at once where a file must be copied. */
const CHUNK_BYTES = 524_288;
/** Rows that are rewritten between two looks at the clock. */
const ROWS_PER_LOOK = 256;

/** What a restore needs of its store. */
export interface RestorePorts extends RunBuilderPorts {
  readonly clock: Clock;
  /** The id that a state has here. */
  restoredStateId(state: RunState, path: string): number;
}

/** A restored run, and where it stood in its snapshot. */
interface Restored {
  readonly view: RunView;
  readonly level: number;
}

/** Restores all handles into the levels of a version. Made for one restore. */
export class Restore {
  private readonly files: RunFile[] = [];
  private readonly slices: Slices;
  private rowsSinceLook = 0;

  constructor(private readonly ports: RestorePorts, private readonly reader: SnapshotReader) {
    this.slices = new Slices(ports.clock);
  }

  /** The levels, level 0 first. @throws {SnapshotCorruptError} If a file is damaged; no file is left then. */
  async run(handles: readonly RestorableHandle[]): Promise<RunView[][]> {
    try {
      const levels: RunView[][] = [[]];
      for (const handle of handles) {
        const restored = await this.restoreHandle(handle);
        for (const { view, level } of restored) (levels[level] ??= []).push(view);
      }
      for (let level = 0; level < levels.length; level++) {
        levels[level] ??= [];
        if (level > 0) levels[level]!.sort((left, right) => left.firstGroup - right.firstGroup);
      }
      return levels;
    } catch (error) {
      for (const file of this.files) file.drop();
      throw error;
    }
  }

  /** Newest first. */
  private async restoreHandle({ handle, keyGroups }: RestorableHandle): Promise<Restored[]> {
    const runs: Restored[] = [];
    const ids = new StateIds(this.ports);
    for (const run of handle.runs) {
      const range = intersect(run.keyGroups, keyGroups);
      if (range === undefined) continue;
      const file = await this.bring(run);
      ids.note(file);
      const visible = file.rowCount === 0 ? undefined : intersect(range, file.keyGroups);
      if (visible === undefined) file.drop();
      else runs.push({ view: new RunView(file, visible), level: run.level });
      if (this.slices.isDue()) await this.slices.pause();
    }
    if (ids.areKept) return arrange(runs, this.ports.column.levelBaseBytes);
    return await this.rewrite(runs.map(({ view }) => view), keyGroups, ids);
  }

  /** The file of a run, in the working directory. */
  private async bring(run: RunHandle): Promise<RunFile> {
    const path = `${this.ports.directory}/${this.ports.random.id()}`;
    try {
      if (this.reader.fetch !== undefined) await this.reader.fetch(run.file, path);
      else await this.copy(run.file, path);
      const file = RunFile.open(path, run, this.ports);
      this.files.push(file);
      return file;
    } catch (error) {
      await this.ports.fileSystem.remove(path);
      throw error;
    }
  }

  private async copy(ref: FileRef, path: string): Promise<void> {
    const input = await this.reader.open(ref);
    try {
      const output = this.ports.fileSystem.createSync(path, "exclusive");
      try {
        for (let offset = 0; offset < ref.sizeBytes; offset += CHUNK_BYTES) {
          output.writeSync(input.read(offset, Math.min(CHUNK_BYTES, ref.sizeBytes - offset)));
          if (this.slices.isDue()) await this.slices.pause();
        }
      } finally {
        output.closeSync();
      }
    } catch (error) {
      throw writeFailure(path, error);
    } finally {
      input.close();
    }
  }

  /** Merges the runs of a handle into new ones of level 1, with the ids that the states have here. */
  private async rewrite(oldestFirst: readonly RunView[], range: KeyGroupRange, ids: StateIds): Promise<Restored[]> {
    const outputs: Restored[] = [];
    const merge = new MergeCursor(oldestFirst.map(({ file, keyGroups }) => file.run.rows(keyGroups)));
    const output = new Rewrite(this.ports);
    try {
      for (let group = range.start; group <= range.end; group++) {
        if (output.sizeBytes >= this.ports.column.targetFileBytes) outputs.push(...this.finished(output));
        for (const [oldId, newId] of ids.byNewId()) await this.rewriteState(merge, group, oldId, newId, output);
      }
      outputs.push(...this.finished(output));
    } finally {
      output.discard();
      merge.close();
    }
    for (const { file } of oldestFirst) file.drop();
    return outputs;
  }

  private finished(output: Rewrite): Restored[] {
    const file = output.finish();
    if (file === undefined) return [];
    this.files.push(file);
    return [{ view: new RunView(file), level: 1 }];
  }

  /** Rows of one state in a key group. */
  private async rewriteState(
    merge: MergeCursor,
    group: number,
    oldId: number,
    newId: number,
    output: Rewrite,
  ): Promise<void> {
    merge.seek(new Uint8Array([group >>> 8, group, oldId >>> 8, oldId]), ROUTE_BYTES, ROUTE_BYTES);
    while (merge.next()) {
      output.add(merge, newId);
      if (++this.rowsSinceLook < ROWS_PER_LOOK) continue;
      this.rowsSinceLook = 0;
      if (this.slices.isDue()) await this.slices.pause();
    }
  }
}

/** The run that rows are rewritten into; made when the first one comes. */
class Rewrite {
  private builder: RunBuilder | undefined;
  private key = new Uint8Array(256);

  constructor(private readonly ports: RunBuilderPorts) {}

  /** So far, of the run that is being written. */
  get sizeBytes(): number {
    return this.builder?.writer.sizeBytes ?? 0;
  }

  /** Adds the current row, with another state id. */
  add(row: MergeCursor, stateId: number): void {
    const { keyBytes } = row;
    if (keyBytes > this.key.length) this.key = new Uint8Array(keyBytes * 2);
    const key = this.key;
    for (let i = 0; i < keyBytes; i++) key[i] = row.key[i]!;
    key[2] = stateId >>> 8;
    key[3] = stateId;
    this.builder ??= new RunBuilder(this.ports, 1);
    this.builder.writer.addRow(PUT, key, keyBytes, row.value, row.valueStart, row.valueEnd);
  }

  /** Ends the run; undefined when it has no rows. */
  finish(): RunFile | undefined {
    const builder = this.builder;
    if (builder === undefined) return undefined;
    let file: RunFile | undefined;
    while (file === undefined) file = builder.finish();
    this.builder = undefined;
    return file;
  }

  /** Removes what is not finished. */
  discard(): void {
    this.builder?.discard();
    this.builder = undefined;
  }
}

/** The ids of the states of one handle: there and here. */
class StateIds {
  /** Whether each state has its id here too. */
  areKept = true;
  private readonly names = new Map<number, string>();
  private readonly here = new Map<number, number>();

  constructor(private readonly ports: RestorePorts) {}

  /** Looks at the state table of a run. Runs of one handle are merged by row key, so a state has one id in all of them. */
  note({ run, path }: RunFile): void {
    for (const state of run.states) {
      const known = this.names.get(state.id);
      if (known !== undefined && known !== state.name) {
        const reason = `state ${state.id} is "${state.name}" here and "${known}" in an older run of the same snapshot`;
        throw new SnapshotCorruptError(path, { reason });
      }
      this.names.set(state.id, state.name);
      const id = this.ports.restoredStateId(state, path);
      this.here.set(state.id, id);
      if (id !== state.id) this.areKept = false;
    }
  }

  /** Pairs of id there and id here, in the order of those here. */
  byNewId(): (readonly [number, number])[] {
    return [...this.here].sort(([, left], [, right]) => left - right);
  }
}

/**
 * Gives the runs of a handle, oldest first, their levels here; returns them newest first.
 *
 * The oldest level becomes the deepest one. Those above it stay levels if they are large; from the first that is small
 * on, all are runs of level 0: so the long chains of small increments of other backends are merged soon.
 */
function arrange(oldestFirst: readonly Restored[], levelBaseBytes: number): Restored[] {
  const kept: RunView[][] = [];
  let at = 0;
  while (at < oldestFirst.length) {
    const { level } = oldestFirst[at]!;
    let end = at + 1;
    while (end < oldestFirst.length && oldestFirst[end]!.level === level) end++;
    const views = oldestFirst.slice(at, end).map(({ view }) => view);
    const isLevel = end - at === 1 || (level > 0 && areDisjoint(views));
    if (!isLevel || (kept.length > 0 && totalBytes(views) < levelBaseBytes)) break;
    kept.push(views);
    at = end;
  }
  const level0 = oldestFirst.slice(at).map(({ view }) => ({ view, level: 0 })).reverse();
  const deeper = kept.reverse().flatMap((views, i) => views.map((view) => ({ view, level: i + 1 })));
  return [...level0, ...deeper];
}
