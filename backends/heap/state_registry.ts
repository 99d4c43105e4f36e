/**
 * Knows the states of a backend by name: those that are declared, and those that were restored and are not declared yet.
 *
 * Called by: heap_backend.ts, restore.ts.
 * Calls: core/serializer.ts, heap_state.ts, restored_state.ts.
 *
 * Invariants:
 * - a state keeps its id over restores; a new one takes an id above all others.
 *
 * @module
 */
import { auto } from "../../core/auto_serializer.ts";
import type { StateDescriptor } from "../../core/descriptors.ts";
import { StreamError } from "../../core/errors.ts";
import type { RowSource } from "../../core/snapshot.ts";
import type { Serializer } from "../../core/serializer.ts";
import type { RunState } from "../runs/run_format.ts";
import { HeapState } from "./heap_state.ts";
import type { Ledger } from "./ledger.ts";
import { RestoredRowReader, RestoredState } from "./restored_state.ts";

/** State ids take two bytes. */
const MAX_STATES = 65_536;

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
  private readonly takenIds = new Set<number>();
  private nextId = 0;

  /** @param onMigration Told when values were read in an older format. */
  constructor(private readonly ledger: Ledger, private readonly onMigration: () => void) {}

  /** The restored state of that name; made when there is none. */
  restored(state: RunState): RestoredState {
    let restored = this.waiting.get(state.name);
    if (restored === undefined) {
      restored = new RestoredState(this.takeId(state.id), state.name);
      this.waiting.set(state.name, restored);
    }
    return restored;
  }

  /** Takes an id: the wanted one if it is free. */
  private takeId(wanted: number = this.nextId): number {
    const id = this.takenIds.has(wanted) ? this.nextId : wanted;
    if (id >= MAX_STATES) {
      throw new StreamError(
        "invalid",
        `Cannot declare a state: there are ${MAX_STATES} already; use a map state instead`,
      );
    }
    this.takenIds.add(id);
    this.nextId = Math.max(this.nextId, id + 1);
    return id;
  }

  /**
   * The state that `descriptor` names. Restored rows are decoded when it is first asked for.
   *
   * @throws {StreamError} If the kind or the serializer does not fit the state that there is.
   */
  declare(descriptor: StateDescriptor): HeapState {
    const known = this.declared.get(descriptor.name);
    if (known !== undefined) {
      this.checkKind(descriptor, known.kind);
      // Without one of its own a descriptor goes with what is declared.
      if (descriptor.serializer !== undefined) this.checkSame(known, descriptor.serializer);
      return known;
    }
    for (const { source } of this.attached) if (source.name === descriptor.name) this.refuseTaken(descriptor.name);
    const serializer: Serializer<unknown> = descriptor.serializer ?? auto<unknown>();
    const restored = this.waiting.get(descriptor.name);
    const modes = restored?.parts.map((part) => {
      this.checkKind(descriptor, part.state.kind);
      return this.checkReadable(descriptor.name, serializer, part.state);
    });
    const state = new HeapState(restored?.id ?? this.takeId(), descriptor.name, descriptor.kind, serializer);
    if (restored !== undefined && modes !== undefined) {
      const reader = new RestoredRowReader(this.ledger, state);
      restored.parts.forEach((part, i) => reader.read(part, modes[i] === "migrate"));
      if (modes.includes("migrate")) this.onMigration();
      this.waiting.delete(descriptor.name);
      this.ledger.version++;
    }
    this.declared.set(descriptor.name, state);
    return state;
  }

  private checkKind(descriptor: StateDescriptor, kind: string): void {
    if (kind === descriptor.kind) return;
    throw new StreamError(
      "invalid",
      `Cannot declare ${descriptor.kind} state "${descriptor.name}": it is ${kind} state already, it must keep its ` +
        `kind; give the new state another name`,
    );
  }

  private checkSame(known: HeapState, serializer: Serializer<unknown>): void {
    const { id, version } = known.serializer;
    if (serializer.id === id && serializer.version === version) return;
    throw new StreamError(
      "invalid",
      `Cannot declare ${known.where} with serializer "${serializer.id}" version ${serializer.version}: it is declared ` +
        `with "${id}" version ${version}; use one descriptor for both`,
    );
  }

  private checkReadable(name: string, serializer: Serializer<unknown>, written: RunState): "as-is" | "migrate" {
    const previous = { id: written.serializerId, version: written.serializerVersion };
    const compatibility = serializer.compatibilityWith(previous);
    if (compatibility === "migrate" && serializer.migrate !== undefined) return "migrate";
    if (compatibility === "as-is" || compatibility === "reconfigured") return "as-is";
    throw new StreamError(
      "invalid",
      `Cannot restore state "${name}" with serializer "${serializer.id}" version ${serializer.version}: its values were ` +
        `written by "${previous.id}" version ${previous.version}, which it cannot read; declare the state with a ` +
        `serializer that can, or under another name`,
    );
  }

  private refuseTaken(name: string): never {
    throw new StreamError(
      "invalid",
      `Cannot declare state "${name}": the name belongs to the timers of this operator; choose another name`,
    );
  }

  /** Lets rows of another owner travel along; restored ones are loaded at once. */
  attach(source: RowSource): void {
    const taken = this.attached.some((other) => other.source.name === source.name);
    if (taken || this.declared.has(source.name)) this.refuseTaken(source.name);
    const restored = this.waiting.get(source.name);
    const id = restored?.id ?? this.takeId();
    for (const part of restored?.parts ?? []) {
      if (part.state.kind !== "rows") this.refuseTaken(source.name);
      for (const group of part.rows.keyGroups()) {
        const rows = part.rows.rowsOf(group);
        while (rows.next()) {
          const { bytes, keyStart, keyEnd, valueEnd } = rows;
          source.load(group, bytes.subarray(keyStart, keyEnd), bytes.subarray(keyEnd, valueEnd));
        }
      }
    }
    this.waiting.delete(source.name);
    const state = { id, name: source.name, kind: "rows", serializerId: "", serializerVersion: 0, flags: 0 } as const;
    this.attached.push({ state, source });
  }

  /** Forgets everything. */
  clear(): void {
    this.declared.clear();
    this.waiting.clear();
    this.attached.length = 0;
  }
}
