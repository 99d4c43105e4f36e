/**
 * Knows the states of an embedded backend: those that are declared, those that were restored, and the rows of others.
 *
 * An id stands for a state in one format of its values. When a state is declared with a serializer of another format
 * than its restored values have, these are written anew under a new id; the old one stays in the table, without rows.
 * So each row tells how it was written, also in a run that is written later than its rows were. Writing anew is put off
 * until `changeSome`, so that it can be done in slices.
 *
 * Called by: embedded_backend.ts; the store, for state tables of runs.
 * Calls: ../states/restored_readers.ts, ../states/state_checks.ts, format_change.ts, state_walk.ts.
 *
 * Invariants:
 * - an id never changes its meaning, and is not used for another state;
 * - of one state at most one id has rows, once it is declared and nothing is left to change.
 *
 * @module
 */
import { auto } from "../../core/auto_serializer.ts";
import type { StateDescriptor } from "../../core/descriptors.ts";
import type { KeyGroupRange } from "../../core/key_groups.ts";
import type { Serializer } from "../../core/serializer.ts";
import type { RunState } from "../runs/run_format.ts";
import { restoredReadersOf } from "../states/restored_readers.ts";
import {
  checkKind,
  checkRestoredKind,
  checkSerializer,
  formatOf,
  refuseTaken,
  refuseTtl,
  restoredStateName,
  rowsState,
  sameFormat,
  StateIds,
} from "../states/state_checks.ts";
import { EmbeddedState } from "./embedded_state.ts";
import { FormatChange } from "./format_change.ts";
import type { KeyedRows } from "./keyed_rows.ts";
import { StateWalk } from "./state_walk.ts";

/** A state in one format. */
interface Format {
  readonly state: RunState;
  /** A file that it was restored from, for errors; empty when it was declared. */
  readonly path: string;
}

/** The states of one backend. */
export class StateTable {
  /** Declared states, by name. */
  readonly declared: Map<string, EmbeddedState> = new Map();
  /** All formats of each state, by its name. */
  private readonly formats = new Map<string, Format[]>();
  /** Names of rows of others that are in use. */
  private readonly owned = new Set<string>();
  private readonly ids = new StateIds();
  private lines: readonly RunState[] | undefined;
  /** What is still to be written anew. */
  private readonly changes: FormatChange[] = [];
  private changeFailure: unknown;

  /** @param range Key groups of the backend. @param operatorName For errors. */
  constructor(private readonly range: KeyGroupRange, private readonly operatorName: string) {}

  /** The state table of a run that is written now. */
  states(): readonly RunState[] {
    this.lines ??= [...this.formats.values()].flat().map(({ state }) => state).sort((left, right) =>
      left.id - right.id
    );
    return this.lines;
  }

  /** For each state the formats that its rows may have: the one that it was declared with, else all, the newest last. */
  *formatsByState(): Iterable<readonly RunState[]> {
    for (const [name, formats] of this.formats) {
      const states = formats.map(({ state }) => state);
      const id = this.declared.get(name)?.id;
      yield id === undefined ? states : states.filter((state) => state.id === id);
    }
  }

  /**
   * The id that a state of a restored run has here.
   *
   * @param path Of the run.
   * @throws {StreamError} If the state is of another kind elsewhere.
   */
  restoredId(state: RunState, path: string): number {
    const formats = this.formats.get(state.name) ?? [];
    for (const format of formats) {
      checkRestoredKind(state.name, format.state.kind, state.kind, path);
      if (sameFormat(format.state, state)) return format.state.id;
    }
    return this.add({ ...state, id: this.ids.take(state.id) }, path);
  }

  private add(state: RunState, path: string): number {
    const formats = this.formats.get(state.name);
    if (formats === undefined) this.formats.set(state.name, [{ state, path }]);
    else formats.push({ state, path });
    this.lines = undefined;
    return state.id;
  }

  /**
   * The state that `descriptor` names. Restored values of another format must be written anew before it is used: see
   * `hasChanges`.
   *
   * @throws {StreamError} If the kind or the serializer does not fit the state that there is.
   */
  declare(descriptor: StateDescriptor, keyed: KeyedRows): EmbeddedState {
    refuseTtl(descriptor);
    const known = this.declared.get(descriptor.name);
    if (known === undefined) return this.declareNew(descriptor, keyed);
    checkKind(descriptor, known.kind);
    // Without one of its own a descriptor goes with what is declared.
    if (descriptor.serializer !== undefined) checkSerializer(known.name, known.asked, descriptor.serializer);
    return known;
  }

  private declareNew(descriptor: StateDescriptor, keyed: KeyedRows): EmbeddedState {
    const { name, kind } = descriptor;
    if (this.owned.has(name)) refuseTaken(name);
    const formats = this.formats.get(name) ?? [];
    for (const { state } of formats) checkKind(descriptor, state.kind);
    const asked: Serializer<unknown> = descriptor.serializer ?? auto<unknown>();
    const filled = formats.filter((format) => this.hasRows(format.state, keyed));
    const where = restoredStateName(name, this.operatorName);
    const { serializer, readers } = restoredReadersOf(asked, filled.map(({ state }) => state), where);
    const wanted = formatOf(-1, name, kind, serializer);
    const same = formats.find(({ state }) => sameFormat(state, wanted));
    const id = same?.state.id ?? this.add({ ...wanted, id: this.ids.take() }, "");
    const declared = new EmbeddedState(id, name, kind, serializer, asked);
    filled.forEach((format, i) => {
      if (format === same) return;
      const { state: from, path } = format;
      this.changes.push(new FormatChange(keyed, this.range, { from, path, to: declared, reader: readers[i]!, where }));
    });
    this.declared.set(name, declared);
    return declared;
  }

  /** Whether values are still to be written anew. */
  get hasChanges(): boolean {
    return this.changes.length > 0;
  }

  /**
   * Writes values anew until `isOver` says so; false when none are left.
   *
   * @throws {StreamError} If one cannot be read or migrated: this and every later call.
   */
  changeSome(isOver: () => boolean): boolean {
    if (this.changeFailure !== undefined) throw this.changeFailure;
    try {
      while (this.changes.length > 0) {
        if (this.changes[0]!.goOn(isOver)) return true;
        this.changes.shift();
      }
      return false;
    } catch (error) {
      this.changeFailure = error;
      this.stopChanges();
      throw error;
    }
  }

  /** Gives up what is still to be written anew; allowed at any moment. */
  stopChanges(): void {
    for (const change of this.changes) change.close();
  }

  private hasRows(state: RunState, keyed: KeyedRows): boolean {
    const walk = new StateWalk(keyed.rows, this.range, state);
    try {
      return walk.next();
    } finally {
      walk.close();
    }
  }

  /** The line of another owner's rows; they may be there already. @throws {StreamError} If the name is taken. */
  own(name: string): RunState {
    const restored = this.formats.get(name)?.[0]?.state;
    const foreign = restored !== undefined && restored.kind !== "rows";
    if (foreign || this.owned.has(name) || this.declared.has(name)) refuseTaken(name);
    this.owned.add(name);
    if (restored !== undefined) return restored;
    const state = rowsState(this.ids.take(), name);
    this.add(state, "");
    return state;
  }
}
