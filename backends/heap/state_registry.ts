/**
 * Knows the states of a backend by name: those that are declared, and those that were restored and are not declared yet.
 *
 * Called by: heap_backend.ts, restore.ts.
 * Calls: ../states/restored_readers.ts, ../states/state_checks.ts, heap_state.ts, restored_state.ts.
 *
 * Invariants:
 * - a state keeps its id over restores; a new one takes an id above all others.
 *
 * @module
 */
import { auto } from "../../core/auto_serializer.ts";
import type { StateDescriptor } from "../../core/descriptors.ts";
import type { RowSource } from "../../core/snapshot.ts";
import type { Serializer } from "../../core/serializer.ts";
import type { RunState } from "../runs/run_format.ts";
import { restoredReadersOf } from "../states/restored_readers.ts";
import {
  checkKind,
  checkSerializer,
  refuseTaken,
  refuseTtl,
  restoredStateName,
  rowsState,
  sameFormat,
  StateIds,
} from "../states/state_checks.ts";
import { HeapState } from "./heap_state.ts";
import type { TableSettings } from "./table.ts";
import type { Ledger } from "./ledger.ts";
import { RestoredRowReader, RestoredState } from "./restored_state.ts";

/** Rows of another owner under the id of their state. */
export interface AttachedRows {
  readonly state: RunState;
  readonly source: RowSource;
}

/** The states of one backend. */
export class StateRegistry {
  /** Declared states, by name. */
  readonly declared: Map<string, HeapState> = new Map();
  /** Restored states that are not declared, by name. */
  readonly waiting: Map<string, RestoredState> = new Map();
  /** Owners of rows that travel along. */
  readonly attached: AttachedRows[] = [];
  private readonly ids = new StateIds();
  /** Restored rows of declared states that are still to be read. */
  private readonly unread: Iterator<void>[] = [];
  private readFailure: unknown;

  /**
   * @param operatorName For errors.
   * @param tables What tables are made with.
   * @param onMigration Told when values were read in another format than they will be written in.
   */
  constructor(
    private readonly operatorName: string,
    private readonly ledger: Ledger,
    private readonly tables: TableSettings,
    private readonly onMigration: () => void,
  ) {}

  /** The restored state of that name; made when there is none. */
  restored(state: RunState): RestoredState {
    let restored = this.waiting.get(state.name);
    if (restored === undefined) {
      restored = new RestoredState(state.name, (wanted) => this.ids.take(wanted));
      this.waiting.set(state.name, restored);
    }
    return restored;
  }

  /**
   * The state that `descriptor` names. Its restored rows must be read before it is used: see `isUnread`.
   *
   * @throws {StreamError} If the kind or the serializer does not fit the state that there is.
   */
  declare(descriptor: StateDescriptor): HeapState {
    refuseTtl(descriptor);
    const known = this.declared.get(descriptor.name);
    if (known === undefined) return this.declareNew(descriptor);
    checkKind(descriptor, known.kind);
    // Without one of its own a descriptor goes with what is declared.
    if (descriptor.serializer !== undefined) checkSerializer(known.name, known.asked, descriptor.serializer);
    return known;
  }

  private declareNew({ name, kind, ...descriptor }: StateDescriptor): HeapState {
    for (const { source } of this.attached) if (source.name === name) refuseTaken(name);
    const asked: Serializer<unknown> = descriptor.serializer ?? auto<unknown>();
    const restored = this.waiting.get(name);
    for (const { state } of restored?.parts ?? []) checkKind({ name, kind }, state.kind);
    const parts = restored?.filled ?? [];
    const where = restoredStateName(name, this.operatorName);
    const { serializer, readers } = restoredReadersOf(asked, parts.map((part) => part.state), where);
    const id = restored?.id ?? this.ids.take();
    const state = new HeapState({ id, name, kind, serializer, asked }, this.tables);
    if (restored !== undefined) {
      const reader = new RestoredRowReader(this.ledger, state, this.operatorName);
      parts.forEach((part, i) => this.unread.push(reader.read(part, readers[i]!)));
      if (parts.some((part) => !sameFormat(part.state, state.describe()))) this.onMigration();
      this.waiting.delete(name);
    }
    this.declared.set(name, state);
    return state;
  }

  /** Whether restored rows of declared states are still to be read. */
  get isUnread(): boolean {
    return this.unread.length > 0;
  }

  /**
   * Reads rows until `isOver` says so; false when none are left.
   *
   * @throws {StreamError} If one cannot be read or migrated: this and every later call.
   */
  readSome(isOver: () => boolean): boolean {
    if (this.readFailure !== undefined) throw this.readFailure;
    if (this.unread.length === 0) return false;
    try {
      while (this.unread.length > 0) {
        if (this.unread[0]!.next().done === true) this.unread.shift();
        else if (isOver()) return true;
      }
      return false;
    } catch (error) {
      this.readFailure = error;
      throw error;
    } finally {
      this.ledger.version++;
    }
  }

  /** Lets rows of another owner travel along; restored ones are loaded at once. */
  attach(source: RowSource): void {
    const taken = this.attached.some((other) => other.source.name === source.name);
    if (taken || this.declared.has(source.name)) refuseTaken(source.name);
    const restored = this.waiting.get(source.name);
    const id = restored?.id ?? this.ids.take();
    for (const part of restored?.parts ?? []) {
      if (part.state.kind !== "rows") refuseTaken(source.name);
      for (const group of part.rows.keyGroups()) {
        const rows = part.rows.rowsOf(group);
        while (rows.next()) {
          const { bytes, keyStart, keyEnd, valueEnd } = rows;
          source.load(group, bytes.subarray(keyStart, keyEnd), bytes.subarray(keyEnd, valueEnd));
        }
      }
    }
    this.waiting.delete(source.name);
    this.attached.push({ state: rowsState(id, source.name), source });
  }

  /** Forgets everything. */
  clear(): void {
    this.declared.clear();
    this.waiting.clear();
    this.attached.length = 0;
    this.unread.length = 0;
  }
}
