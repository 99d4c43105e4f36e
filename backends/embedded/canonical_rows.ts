/**
 * Writes what an embedded store held at a moment, and the rows of other owners, as one canonical run: by key group and
 * state name, in slices between which records are processed.
 *
 * The store gives rows by key group and former state id. Where the new ids have another order, the rows of a key group
 * are put aside and go out state by state; those of a large key group are sought state by state instead.
 *
 * Called by: embedded_backend.ts (makes it), embedded_snapshot.ts.
 * Calls: ../states/run_assembly.ts, canonical_states.ts, list_numbers.ts; the rows of a frozen store.
 *
 * Invariants:
 * - its memory does not depend on how many rows there are, but for those of other owners.
 *
 * @module
 */
import type { StateBackendContext } from "../../core/backend.ts";
import type { KeyGroupRange } from "../../core/key_groups.ts";
import type { KeyedStateHandle, SnapshotStore } from "../../core/snapshot.ts";
import { RowBatch } from "../runs/row_batch.ts";
import { RowOrder } from "../runs/row_order.ts";
import { PUT, type RunState } from "../runs/run_format.ts";
import { ROUTE_BYTES } from "../runs/row_prefix.ts";
import type { RunWriter } from "../runs/run_writer.ts";
import { CanonicalStates } from "../states/canonical_states.ts";
import { KeyGroupBatches } from "../states/key_group_batches.ts";
import { ListNumbers } from "../states/list_numbers.ts";
import { type FrozenSource, RunAssembly } from "../states/run_assembly.ts";
import { SAVEPOINT_SHARE } from "../states/slices.ts";
import type { OverRows } from "./over_rows.ts";
import type { MomentRows } from "./row_store.ts";

/** Rows of a key group up to this size are put aside. */
const ASIDE_BYTES = 262_144;

/** Rows handled between two looks at the clock. */
const ROWS_PER_LOOK = 64;

/**
 * The run of a snapshot that is taken now.
 *
 * @param formats For each state the formats that its rows may have.
 * @param sources Rows of other owners, under the ids of their states.
 * @param over What is left out, as of now.
 */
export function canonicalRows(
  { keyGroups, maxParallelism, clock }: StateBackendContext,
  formats: readonly (readonly RunState[])[],
  sources: readonly FrozenSource[],
  over?: OverRows,
): CanonicalRows {
  const listNumbers = new ListNumbers();
  const assembly = new RunAssembly({
    listNumbers,
    olderRuns: [],
    fileScope: "exclusive",
    keyGroups,
    batches: new KeyGroupBatches(keyGroups, maxParallelism),
    clock,
    rowsPerLook: ROWS_PER_LOOK,
    share: SAVEPOINT_SHARE,
  });
  return new CanonicalRows({ keyGroups, formats, assembly, listNumbers, sources, over });
}

/** What goes into the run, fixed by the synchronous part. */
export interface CanonicalPlan {
  readonly keyGroups: KeyGroupRange;
  readonly formats: readonly (readonly RunState[])[];
  /** Makes the run. */
  readonly assembly: RunAssembly;
  /** That of the assembly. */
  readonly listNumbers: ListNumbers;
  readonly sources: readonly FrozenSource[];
  /** What is left out; undefined: nothing. */
  readonly over: OverRows | undefined;
}

/** The run of one snapshot. */
export class CanonicalRows {
  private writer: RunWriter | undefined;
  private states = new CanonicalStates([]);
  private key = new Uint8Array(256);
  private readonly order = new RowOrder();
  /** Rows of the current key group in the order of their former ids. */
  private readonly aside = new RowBatch();
  /** Where those of each state begin and end, by new id. */
  private starts = new Int32Array(0);
  private ends = new Int32Array(0);
  /** Whether the last key group was too large to be put aside. */
  private wasLarge = false;
  /** Of the key group that is sought state by state. */
  private groupBytes = 0;

  constructor(private readonly plan: CanonicalPlan) {}

  /** Ends every wait with `reason`. */
  cancel(reason: Error): void {
    this.plan.assembly.cancel(reason);
  }

  /** Frees the rows of other owners. */
  release(): void {
    for (const source of this.plan.sources) source.rows.release();
  }

  /** Writes the run; null when there are no rows. @param rows Before the first one; the caller closes them. */
  async write(rows: MomentRows, store: SnapshotStore): Promise<KeyedStateHandle | null> {
    const { assembly, sources, listNumbers } = this.plan;
    try {
      await assembly.slices.pause();
      const states = this.states = new CanonicalStates(await this.chooseFormats(rows));
      listNumbers.use(states.lines);
      this.starts = new Int32Array(states.lines.length);
      this.ends = new Int32Array(states.lines.length);
      for (const { state, rows } of sources) await assembly.addFrozen({ state: states.renamed(state), rows });
      if (sources.length === 0 && states.keepsOrder) await this.copyRows(rows, store);
      else await this.orderRows(rows, store);
      return await assembly.end(states.lines);
    } catch (error) {
      await assembly.discard(error);
      throw error;
    }
  }

  /** The lines of the state table: of each state the formats in which there are rows; if there are none, the newest. */
  private async chooseFormats(rows: MomentRows): Promise<RunState[]> {
    const chosen: RunState[] = [];
    let hasMoved = false;
    for (const formats of this.plan.formats) {
      // Almost always there is one.
      if (formats.length > 1) {
        hasMoved = true;
        const before = chosen.length;
        for (const state of formats) if (await this.hasRows(rows, state.id)) chosen.push(state);
        if (chosen.length > before) continue;
      }
      chosen.push(formats.at(-1)!);
    }
    if (hasMoved) rows.seek(new Uint8Array(2), 0);
    return chosen;
  }

  private async hasRows(rows: MomentRows, stateId: number): Promise<boolean> {
    const { assembly, keyGroups } = this.plan;
    for (let group = keyGroups.start; group <= keyGroups.end; group++) {
      rows.seek(new Uint8Array([group >>> 8, group, stateId >>> 8, stateId]), ROUTE_BYTES);
      if (rows.next()) return true;
      if (assembly.rowDone()) await assembly.slices.pause();
    }
    return false;
  }

  /** Writes all rows that are left, as they come. */
  private async copyRows(rows: MomentRows, store: SnapshotStore): Promise<void> {
    const { assembly } = this.plan;
    while (rows.next()) {
      const writer = this.writer ??= await assembly.open(store);
      this.put(writer, rows);
      if (assembly.mustRest(writer)) await assembly.rest(writer);
    }
  }

  private put(writer: RunWriter, rows: MomentRows): void {
    const { states, plan: { listNumbers, over } } = this;
    const { key, keyBytes, value, valueStart, valueEnd } = rows;
    if (over !== undefined && over.has(key, value, valueStart)) return;
    const formerId = (key[2]! << 8) | key[3]!;
    const id = states.idOf(formerId);
    this.groupBytes += keyBytes + valueEnd - valueStart;
    if (id === formerId && !listNumbers.isList(id)) {
      writer.addRow(PUT, key, keyBytes, value, valueStart, valueEnd);
      return;
    }
    // Their owner needs the key as it is.
    if (keyBytes > this.key.length) this.key = new Uint8Array(keyBytes * 2);
    const copy = this.key;
    for (let i = 0; i < keyBytes; i++) copy[i] = key[i]!;
    copy[2] = id >>> 8;
    copy[3] = id;
    if (listNumbers.isList(id)) listNumbers.renumber((key[0]! << 8) | key[1]!, copy, 2, keyBytes);
    writer.addRow(PUT, copy, keyBytes, value, valueStart, valueEnd);
  }

  private async orderRows(rows: MomentRows, store: SnapshotStore): Promise<void> {
    const { assembly, keyGroups } = this.plan;
    let hasMore = rows.next();
    for (let group = keyGroups.start; group <= keyGroups.end; group++) {
      const isStored = hasMore && keyGroupOf(rows) === group;
      if (!isStored && assembly.batches.find(group) === undefined) continue;
      const writer = this.writer ??= await assembly.open(store);
      if (isStored && !this.wasLarge) hasMore = await this.putAside(rows, group);
      if (isStored && this.wasLarge) {
        await this.writeGroup(writer, group, rows);
        hasMore = group < keyGroups.end && this.seekGroup(rows, group + 1);
        this.wasLarge = this.groupBytes > ASIDE_BYTES;
      } else {
        await this.writeGroup(writer, group, undefined);
      }
      this.aside.clear();
      this.starts.fill(0);
      this.ends.fill(0);
    }
  }

  /** Puts the rows of a key group aside unless they are too many; whether the rows go on. */
  private async putAside(rows: MomentRows, group: number): Promise<boolean> {
    const { assembly, over } = this.plan;
    const { states, aside, starts, ends } = this;
    let last = -1;
    do {
      if (aside.usedBytes > ASIDE_BYTES) {
        this.wasLarge = true;
        return true;
      }
      if (over === undefined || !over.has(rows.key, rows.value, rows.valueStart)) {
        const id = states.idOf((rows.key[2]! << 8) | rows.key[3]!);
        if (id !== last) starts[id] = aside.count;
        last = id;
        this.putRowAside(rows, id);
        ends[id] = aside.count;
      }
      if (assembly.rowDone()) await assembly.slices.pause();
      if (!rows.next()) return false;
    } while (keyGroupOf(rows) === group);
    return true;
  }

  private putRowAside({ key, keyBytes, value, valueStart, valueEnd }: MomentRows, id: number): void {
    const { aside } = this;
    aside.startRow();
    aside.out.u16(id);
    aside.out.bytes(key, ROUTE_BYTES, keyBytes);
    aside.endKey();
    aside.out.bytes(value, valueStart, valueEnd);
    aside.endRow(PUT);
  }

  /** Writes a key group state by state. @param rows Where to seek those of the store; undefined: they were put aside. */
  private async writeGroup(writer: RunWriter, group: number, rows: MomentRows | undefined): Promise<void> {
    const { assembly } = this.plan;
    const { lines, formerIds } = this.states;
    const foreign = assembly.batches.find(group);
    const order = foreign?.sorted(this.order);
    let next = 0;
    this.groupBytes = 0;
    for (let id = 0; id < lines.length; id++) {
      for (; order !== undefined && next < order.length && stateOf(foreign!, order[next]!) === id; next++) {
        assembly.write(writer, group, foreign!, order[next]!);
        if (assembly.mustRest(writer)) await assembly.rest(writer);
      }
      if (rows !== undefined) {
        await this.writeState(writer, group, formerIds[id]!, rows);
        continue;
      }
      for (let row = this.starts[id]!; row < this.ends[id]!; row++) {
        assembly.write(writer, group, this.aside, row);
        if (assembly.mustRest(writer)) await assembly.rest(writer);
      }
    }
  }

  private async writeState(writer: RunWriter, group: number, formerId: number, rows: MomentRows): Promise<void> {
    const { assembly } = this.plan;
    rows.seek(new Uint8Array([group >>> 8, group, formerId >>> 8, formerId]), ROUTE_BYTES);
    while (rows.next()) {
      this.put(writer, rows);
      if (assembly.mustRest(writer)) await assembly.rest(writer);
    }
  }

  private seekGroup(rows: MomentRows, group: number): boolean {
    rows.seek(new Uint8Array([group >>> 8, group]), 0);
    return rows.next();
  }
}

function keyGroupOf(rows: MomentRows): number {
  return (rows.key[0]! << 8) | rows.key[1]!;
}

function stateOf(batch: RowBatch, row: number): number {
  const start = batch.keyStarts[row]!;
  return (batch.out.buffer[start]! << 8) | batch.out.buffer[start + 1]!;
}
