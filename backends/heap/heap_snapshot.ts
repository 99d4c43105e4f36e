/**
 * Writes one snapshot of the heap: deals the entries out by key group, then encodes, sorts and writes one key group after
 * the other, in slices between which records are processed.
 *
 * Called by: heap_backend.ts.
 * Calls: capture.ts, key_group_buckets.ts, row_encoder.ts, run_output.ts.
 *
 * Invariants:
 * - the run holds exactly what was written before the snapshot was taken;
 * - when a key group is written out, each of its entries is either encoded or drained from the capture.
 *
 * @module
 */
import type { PendingSnapshot } from "../../core/backend.ts";
import { ByteWriter } from "../../core/bytes.ts";
import type { Clock } from "../../core/clock.ts";
import { StreamError } from "../../core/errors.ts";
import type { KeyGroupRange } from "../../core/key_groups.ts";
import type {
  FileScope,
  FrozenRows,
  KeyedStateHandle,
  RowDraft,
  RunHandle,
  SnapshotStore,
} from "../../core/snapshot.ts";
import { RowBatch } from "../runs/row_batch.ts";
import { ROW_KINDS, type RowCode, type RunState } from "../runs/run_format.ts";
import { Capture, type SnapshotScope } from "./capture.ts";
import { type Entry, GONE_UNSEEN, MapCells } from "./entry.ts";
import type { HeapState } from "./heap_state.ts";
import { KeyGroupBuckets } from "./key_group_buckets.ts";
import type { ChangeList } from "./ledger.ts";
import { RowEncoder } from "./row_encoder.ts";
import type { RowStore } from "./row_store.ts";
import { RunOutput } from "./run_output.ts";
import { Slices } from "./slices.ts";

/** Rows of another owner, frozen. */
export interface FrozenSource {
  readonly state: RunState;
  readonly rows: FrozenRows;
}

/** Restored rows of a state that was not declared. */
export interface CarriedRows {
  readonly state: RunState;
  readonly rows: RowStore;
}

/** Everything that the synchronous part has fixed. */
export interface SnapshotPlan {
  readonly scope: SnapshotScope;
  /** What was touched since the base; null: everything is written. */
  readonly changes: readonly ChangeList[] | null;
  readonly states: readonly HeapState[];
  readonly carried: readonly CarriedRows[];
  readonly frozen: readonly FrozenSource[];
  /** Runs of the checkpoint that this one builds on. */
  readonly olderRuns: readonly RunHandle[];
  readonly fileScope: FileScope;
  readonly keyGroups: KeyGroupRange;
  readonly maxParallelism: number;
  readonly clock: Clock;
  /** Rows handled between two looks at the clock. */
  readonly rowsPerLook: number;
  /** Told once, when the snapshot needs nothing of the backend any more. `handle` is undefined unless it was written. */
  readonly onEnd: (snapshot: HeapSnapshot, handle: KeyedStateHandle | null | undefined) => void;
}

/** A snapshot from its synchronous part to its handle. */
export class HeapSnapshot implements PendingSnapshot {
  /** What the record path keeps for this snapshot. */
  readonly capture: Capture;
  private readonly slices: Slices;
  private readonly batch = new RowBatch();
  private readonly encoder: RowEncoder;
  private readonly buckets: KeyGroupBuckets;
  private readonly output: RunOutput;
  private started = false;
  private ended = false;
  private sinceLook = 0;

  constructor(private readonly plan: SnapshotPlan) {
    this.capture = new Capture(plan.scope, (error) => this.cancel(error));
    this.slices = new Slices(plan.clock);
    this.encoder = new RowEncoder(this.capture, this.batch, this.slices);
    this.buckets = new KeyGroupBuckets(plan.keyGroups, plan.maxParallelism);
    this.output = new RunOutput(plan);
  }

  async write(store: SnapshotStore): Promise<KeyedStateHandle | null> {
    if (this.started) throw new StreamError("invalid", "Cannot write a snapshot: write() was called already");
    this.started = true;
    let handle: KeyedStateHandle | null | undefined;
    try {
      await this.slices.pause();
      await this.dealOut();
      for (let group = this.plan.keyGroups.start; group <= this.plan.keyGroups.end; group++) {
        if (this.isEmpty(group)) this.buckets.close(group);
        else await this.writeGroup(group, store);
      }
      handle = await this.output.finish(this.stateTable());
      return handle;
    } catch (error) {
      await this.output.discard(error);
      throw error;
    } finally {
      this.end(handle);
    }
  }

  cancel(reason: Error): void {
    if (this.ended) return;
    this.slices.stop(reason);
    this.output.cancel(reason);
    if (!this.started) {
      this.started = true;
      this.end(undefined);
    }
  }

  private end(handle: KeyedStateHandle | null | undefined): void {
    if (this.ended) return;
    this.ended = true;
    for (const source of this.plan.frozen) source.rows.release();
    this.plan.onEnd(this, handle);
  }

  private stateTable(): RunState[] {
    const { states, carried, frozen } = this.plan;
    const table = states.map((state) => state.describe());
    for (const rows of carried) table.push(rows.state);
    for (const source of frozen) table.push(source.state);
    return table.sort((left, right) => left.id - right.id);
  }

  /** Counts a row; true when the slice is over. */
  private rowDone(): boolean {
    if (++this.sinceLook < this.plan.rowsPerLook) return false;
    this.sinceLook = 0;
    return this.slices.isDue();
  }

  private async dealOut(): Promise<void> {
    for (const source of this.plan.frozen) await this.dealForeign(source);
    if (this.plan.changes !== null) return await this.dealChanges(this.plan.changes);
    for (const state of this.plan.states) {
      for (const table of state.tables()) {
        await this.dealAll(table.entries.simple.values());
        await this.dealAll(table.entries.complex.values());
      }
    }
  }

  private async dealAll(entries: Iterator<Entry>): Promise<void> {
    const epoch = this.plan.scope.epoch;
    for (let step = entries.next(); step.done !== true; step = entries.next()) {
      if (step.value.epoch <= epoch) this.buckets.add(step.value);
      if (this.rowDone()) await this.slices.pause();
    }
  }

  private async dealChanges(changes: readonly ChangeList[]): Promise<void> {
    for (const list of changes) {
      for (let i = 0; i < list.entries.length; i++) {
        const entry = list.entries[i]!;
        // An entry of a later epoch is in a later list, or in the capture.
        if (entry.epoch === list.epoch && !this.leavesNothing(entry)) this.buckets.add(entry);
        if (this.rowDone()) await this.slices.pause();
      }
    }
  }

  private leavesNothing(entry: Entry): boolean {
    if (entry.birth === GONE_UNSEEN) return true;
    if (!(entry.owner instanceof MapCells)) return false;
    // The row that clears the map speaks for its cells.
    const map = entry.owner.entry!;
    return map.birth < 0 && map.epoch <= this.plan.scope.epoch;
  }

  private async dealForeign(source: FrozenSource): Promise<void> {
    const draft: RowDraft = { kind: "put", keyGroup: 0, key: new ByteWriter(), value: new ByteWriter() };
    const { key, value } = draft;
    const rows = this.buckets.foreign(source.state.id);
    for (;;) {
      key.reset();
      value.reset();
      if (!source.rows.next(draft)) return;
      const code = ROW_KINDS.indexOf(draft.kind) as RowCode; // codes are positions in ROW_KINDS
      rows.add(draft.keyGroup, code, key.buffer, 0, key.length, value.buffer, 0, value.length);
      if (this.rowDone()) await this.slices.pause();
    }
  }

  private isEmpty(group: number): boolean {
    if (this.capture.entries.length > 0 || !this.buckets.isEmpty(group)) return false;
    return this.plan.changes !== null || this.plan.carried.every(({ rows }) => !rows.has(group));
  }

  private async writeGroup(group: number, store: SnapshotStore): Promise<void> {
    const { batch, buckets } = this;
    batch.clear();
    const entries = buckets.take(group);
    for (let i = 0; i < entries.length; i++) {
      const long = this.encoder.entry(entries[i]!);
      if (long !== undefined) await long;
      if (this.rowDone()) await this.slices.pause();
    }
    do {
      await this.drain();
      await this.encodeCaptured(group);
      // What was touched during a pause of these two is in the capture again.
    } while (this.capture.entries.length > 0);
    buckets.close(group);
    await this.copyStored(group);
    if (batch.count > 0) await this.writeBatch(group, store);
  }

  private async drain(): Promise<void> {
    const { capture, buckets } = this;
    while (capture.entries.length > 0) {
      const { entries, values } = capture;
      capture.entries = [];
      capture.values = [];
      for (let i = 0; i < entries.length; i++) {
        buckets.addCaptured(entries[i]!, values[i]);
        if (this.rowDone()) await this.slices.pause();
      }
    }
  }

  private async encodeCaptured(group: number): Promise<void> {
    const { entries, values } = this.buckets.takeCaptured(group);
    for (let i = 0; i < entries.length; i++) {
      const long = this.encoder.captured(entries[i]!, values[i]);
      if (long !== undefined) await long;
      if (this.rowDone()) await this.slices.pause();
    }
  }

  /** Copies rows that are encoded already. */
  private async copyStored(group: number): Promise<void> {
    for (const [id, rows] of this.buckets.stores()) {
      await this.copyRows(id, rows, group);
      rows.drop(group);
    }
    if (this.plan.changes !== null) return;
    for (const { state, rows } of this.plan.carried) await this.copyRows(state.id, rows, group);
  }

  private async copyRows(stateId: number, store: RowStore, group: number): Promise<void> {
    const batch = this.batch;
    const rows = store.rowsOf(group);
    while (rows.next()) {
      batch.startRow();
      batch.out.u16(stateId);
      batch.out.bytes(rows.bytes, rows.keyStart, rows.keyEnd);
      batch.endKey();
      batch.out.bytes(rows.bytes, rows.keyEnd, rows.valueEnd);
      batch.endRow(rows.code);
      if (this.rowDone()) await this.slices.pause();
    }
  }

  private async writeBatch(group: number, store: SnapshotStore): Promise<void> {
    const batch = this.batch;
    if (this.slices.isDue()) await this.slices.pause();
    const order = batch.sorted();
    const writer = await this.output.open(store);
    for (let i = 0; i < order.length; i++) {
      const row = order[i]!;
      const valueEnd = batch.valueEnds[row]!;
      writer.add(group, batch.codeOf(row), batch.out.buffer, batch.keyStarts[row]!, batch.keyEnds[row]!, valueEnd);
      if (writer.wantsFlush) await this.output.flush();
      if (this.rowDone()) await this.slices.pause();
    }
  }
}
