/**
 * One state of a backend: what it is called, how its values are written, and its tables by namespace.
 *
 * Called by: everything in this folder.
 * Calls: table.ts, ../states/state_checks.ts.
 *
 * Invariants:
 * - each namespace has at most one attached table; an empty one of a named namespace is dropped.
 *
 * @module
 */
import type { StateKind } from "../../core/descriptors.ts";
import { identityOf, isComplexKey, type Namespace, VOID_NAMESPACE } from "../../core/key.ts";
import type { Serializer } from "../../core/serializer.ts";
import { type Expiry, StampedSerializer } from "../../core/stamped_value.ts";
import type { RunState } from "../runs/run_format.ts";
import { formatOf } from "../states/state_checks.ts";
import { type Identity, Table, type TableSettings } from "./table.ts";

/** What is known of a state when it is declared. */
export type HeapStateDeclaration = Pick<HeapState, "id" | "name" | "kind" | "serializer" | "asked">;

/** Name, kind, serializer and tables of one state. */
export class HeapState {
  /** The table of state without a namespace. */
  readonly voidTable: Table;
  private readonly simple = new Map<Identity, Table>();
  private readonly complex = new Map<Identity, Table>();
  /** Names the state in errors. */
  readonly where: string;

  readonly id: number;
  readonly name: string;
  readonly kind: StateKind;
  /** Reads and writes its values. */
  readonly serializer: Serializer<unknown>;
  /** The one that it was declared with; `serializer` unless that has been reconfigured. */
  readonly asked: Serializer<unknown>;
  /** When its values are over; undefined: never. */
  readonly expiry: Expiry | undefined;
  /** Whether its tables keep stamps beside their values; otherwise what is stored is `Stamped`, if it is over some day. */
  readonly keepsStamps: boolean;

  /** @param tableSettings What its tables are made with. */
  constructor(declaration: HeapStateDeclaration, readonly tableSettings: TableSettings) {
    this.id = declaration.id;
    this.name = declaration.name;
    this.kind = declaration.kind;
    this.serializer = declaration.serializer;
    this.asked = declaration.asked;
    this.where = `state "${declaration.name}"`;
    this.expiry = this.serializer instanceof StampedSerializer ? this.serializer.expiry : undefined;
    this.keepsStamps = this.expiry !== undefined && this.kind === "value";
    this.voidTable = new Table(this, VOID_NAMESPACE);
  }

  /** The table of a namespace, if it holds something. */
  find(namespace: Namespace): Table | undefined {
    if (namespace === VOID_NAMESPACE) return this.voidTable;
    return isComplexKey(namespace) ? this.complex.get(identityOf(namespace)) : this.simple.get(namespace);
  }

  /** The table of a namespace; made when there is none. */
  obtain(namespace: Namespace): Table {
    const found = this.find(namespace);
    if (found !== undefined) return found;
    const table = new Table(this, namespace);
    if (namespace === VOID_NAMESPACE) return this.voidTable;
    if (isComplexKey(namespace)) this.complex.set(identityOf(namespace), table);
    else this.simple.set(namespace, table);
    return table;
  }

  /** An empty table that is not in use: stands for a namespace until something is written there. */
  detachedTable(namespace: Namespace): Table {
    const table = new Table(this, namespace);
    table.attached = false;
    return table;
  }

  /** Forgets a table that has become empty. */
  drop(table: Table): void {
    const namespace = table.namespace;
    if (namespace === VOID_NAMESPACE) return;
    if (isComplexKey(namespace)) this.complex.delete(identityOf(namespace));
    else this.simple.delete(namespace);
    table.attached = false;
  }

  /** Live: tables that are added meanwhile are visited too. */
  *tables(): IterableIterator<Table> {
    yield this.voidTable;
    yield* this.simple.values();
    yield* this.complex.values();
  }

  /** Its line in the state table of a run. */
  describe(): RunState {
    return formatOf(this.id, this.name, this.kind, this.serializer);
  }
}
