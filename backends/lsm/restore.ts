/**
 * Brings the runs of older snapshots into a store: files are linked as they are, each shown in the key groups only in
 * which it is valid. Rows are rewritten only where a state has another id than it had, or where those of one file belong
 * to several trees.
 *
 * Runs of one handle stay in the order of their age. Runs of different handles have different key groups, so in whichever
 * order they come into a level, none hides a row of another.
 *
 * Called by: lsm_store.ts, column_families.ts.
 * Calls: run_file.ts, family_rewrite.ts, ../runs/merge_cursor.ts, ../states/slices.ts; the snapshot reader.
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
import type { RunState } from "../runs/run_format.ts";
import { ROUTE_BYTES } from "../runs/row_prefix.ts";
import { Slices } from "../states/slices.ts";
import { totalBytes } from "./compaction_picker.ts";
import { FamilyRewrite, onlyFamilyOf, type RestoreFamilies, type WrittenFamily } from "./family_rewrite.ts";
import type { RunBuilderPorts } from "./run_builder.ts";
import { RunFile } from "./run_file.ts";
import { areDisjoint, RunView } from "./version.ts";

/** Read and written at once where a file must be copied. */
const CHUNK_BYTES = 524_288;
/** Rows that are rewritten between two looks at the clock. */
const ROWS_PER_LOOK = 256;

/** What a restore needs of its store. */
export interface RestoreContext {
  readonly clock: Clock;
  /** The id that a state has here. */
  restoredStateId(state: RunState, path: string): number;
}

/** A restored run, and where it stood in its snapshot. */
interface Restored {
  readonly view: RunView;
  readonly level: number;
}

/** The levels of a tree, level 0 first. */
type Levels = RunView[][];
/** What there is of each tree. */
type ByFamily<T> = Map<RunBuilderPorts, T>;

/** From here on levels tell files apart that one file was divided into. */
const DIVIDED_LEVEL = 1_000;

/** Restores all handles into the levels of the trees of a store. Made for one restore. */
export class Restore {
  private readonly files: RunFile[] = [];
  private readonly slices: Slices;
  private rowsSinceLook = 0;
  private dividedCount = 0;

  constructor(
    private readonly context: RestoreContext,
    private readonly families: RestoreFamilies,
    private readonly reader: SnapshotReader,
  ) {
    this.slices = new Slices(context.clock);
  }

  /**
   * What there is of each tree that has any rows.
   *
   * @throws {SnapshotCorruptError} If a file is damaged; no file is left then.
   */
  async run(handles: readonly RestorableHandle[]): Promise<ByFamily<Levels>> {
    try {
      const all: ByFamily<Levels> = new Map();
      for (const handle of handles) {
        for (const [family, restored] of await this.restoreHandle(handle)) {
          let levels = all.get(family);
          if (levels === undefined) all.set(family, levels = [[]]);
          for (const { view, level } of restored) (levels[level] ??= []).push(view);
        }
      }
      for (const levels of all.values()) {
        for (let level = 0; level < levels.length; level++) {
          levels[level] ??= [];
          if (level > 0) levels[level]!.sort((left, right) => left.firstGroup - right.firstGroup);
        }
      }
      return all;
    } catch (error) {
      for (const file of this.files) file.drop();
      throw error;
    }
  }

  /** Newest first. */
  private async restoreHandle({ handle, keyGroups }: RestorableHandle): Promise<ByFamily<Restored[]>> {
    const runs: Restored[] = [];
    const ids = new StateIds(this.context);
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
    if (!ids.areKept) return await this.rewrite(runs.map(({ view }) => view), keyGroups, ids);
    const oldestFirst: ByFamily<Restored[]> = new Map();
    for (const run of runs) for (const [family, part] of await this.divide(run)) pushTo(oldestFirst, family, part);
    return new Map([...oldestFirst].map(([family, runs]) => [family, arrange(runs, family.column.levelBaseBytes)]));
  }

  /** The run itself when its rows belong to one tree, else a file, or several, for each tree. */
  private async divide(run: Restored): Promise<(readonly [RunBuilderPorts, Restored])[]> {
    const { file, keyGroups } = run.view;
    const only = onlyFamilyOf(run.view, this.families);
    if (only !== undefined) {
      file.moveTo(only);
      return [[only, run]];
    }
    // They are parts of one run: levels keep them together when there are several of a tree.
    const level = run.level > 0 ? run.level : DIVIDED_LEVEL + this.dividedCount++;
    const output = new FamilyRewrite(this.families, run.level);
    const rows = file.run.rows(keyGroups);
    try {
      while (rows.next()) {
        output.add(rows, (rows.key[2]! << 8) | rows.key[3]!);
        if (this.isLookDue()) await this.slices.pause();
      }
      const parts = this.finished(output);
      return parts.map(({ family, view }) => [family, { view, level }] as const);
    } finally {
      output.discard();
      rows.close();
      file.drop();
    }
  }

  /** The file of a run, in the working directory. */
  private async bring(run: RunHandle): Promise<RunFile> {
    const { first } = this.families;
    const path = `${first.directory}/${first.random.id()}`;
    try {
      if (this.reader.fetch !== undefined) await this.reader.fetch(run.file, path);
      else await this.copy(run.file, path);
      const file = RunFile.open(path, run, first);
      this.files.push(file);
      return file;
    } catch (error) {
      await first.fileSystem.remove(path);
      throw error;
    }
  }

  private async copy(ref: FileRef, path: string): Promise<void> {
    const input = await this.reader.open(ref);
    try {
      const output = this.families.first.fileSystem.createSync(path, "exclusive");
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
  private async rewrite(
    oldestFirst: readonly RunView[],
    range: KeyGroupRange,
    ids: StateIds,
  ): Promise<ByFamily<Restored[]>> {
    const outputs: ByFamily<Restored[]> = new Map();
    const merge = new MergeCursor(oldestFirst.map(({ file, keyGroups }) => file.run.rows(keyGroups)));
    const output = new FamilyRewrite(this.families, 1);
    try {
      for (let group = range.start; group <= range.end; group++) {
        for (const [oldId, newId] of ids.byNewId()) await this.rewriteState(merge, group, oldId, newId, output);
      }
      for (const { family, view } of this.finished(output)) pushTo(outputs, family, { view, level: 1 });
    } finally {
      output.discard();
      merge.close();
    }
    for (const { file } of oldestFirst) file.drop();
    return outputs;
  }

  private finished(output: FamilyRewrite): readonly WrittenFamily[] {
    const written = output.finish();
    for (const { view } of written) this.files.push(view.file);
    return written;
  }

  /** Rows of one state in a key group. */
  private async rewriteState(
    merge: MergeCursor,
    group: number,
    oldId: number,
    newId: number,
    output: FamilyRewrite,
  ): Promise<void> {
    merge.seek(new Uint8Array([group >>> 8, group, oldId >>> 8, oldId]), ROUTE_BYTES, ROUTE_BYTES);
    while (merge.next()) {
      output.add(merge, newId);
      if (this.isLookDue()) await this.slices.pause();
    }
  }

  /** Whether a pause is due; looks at the clock now and then. */
  private isLookDue(): boolean {
    if (++this.rowsSinceLook < ROWS_PER_LOOK) return false;
    this.rowsSinceLook = 0;
    return this.slices.isDue();
  }
}

function pushTo(map: ByFamily<Restored[]>, family: RunBuilderPorts, run: Restored): void {
  const runs = map.get(family);
  if (runs === undefined) map.set(family, [run]);
  else runs.push(run);
}

/** The ids of the states of one handle: there and here. */
class StateIds {
  /** Whether each state has its id here too. */
  areKept = true;
  private readonly names = new Map<number, string>();
  private readonly here = new Map<number, number>();

  constructor(private readonly context: RestoreContext) {}

  /** Looks at the state table of a run. Runs of one handle are merged by row key, so a state has one id in all of them. */
  note({ run, path }: RunFile): void {
    for (const state of run.states) {
      const known = this.names.get(state.id);
      if (known !== undefined && known !== state.name) {
        const reason = `state ${state.id} is "${state.name}" here and "${known}" in an older run of the same snapshot`;
        throw new SnapshotCorruptError(path, { reason });
      }
      this.names.set(state.id, state.name);
      const id = this.context.restoredStateId(state, path);
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
