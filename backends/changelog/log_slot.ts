/**
 * What the handles of one backend with a changelog share, and the place of one state in the log: the row key of the
 * current key and a namespace, encoded when it is first needed after the key has changed.
 *
 * Called by: the logged handles and rows, logged_states.ts, changelog_backend.ts.
 * Calls: core/key.ts, ../states/current_key.ts, log_buffer.ts.
 *
 * Invariants:
 * - a value that cannot be written leaves nothing in the log.
 *
 * @module
 */
import { ByteWriter } from "../../core/bytes.ts";
import { identityOf, type Key, type Namespace, VOID_NAMESPACE, writeKey, writeNamespace } from "../../core/key.ts";
import { type Serializer, writeValue } from "../../core/serializer.ts";
import type { RunState } from "../runs/run_format.ts";
import { CurrentKey } from "../states/current_key.ts";
import type { LogBuffer } from "./log_buffer.ts";

/** Where changes go; its fields are read on the record path. */
export class LogTarget extends CurrentKey {
  /** Takes the changes of now. */
  buffer!: LogBuffer;
}

/** One state in the log. */
export interface LoggedState {
  /** Its line in the state tables of segments. */
  readonly line: RunState;
  readonly serializer: Serializer<unknown>;
  /** Names the state in errors. */
  readonly where: string;
}

const NO_VALUE = new ByteWriter(1);

/** The place of the current key's value, list or map in the log. */
export class LogSlot {
  private readonly row = new ByteWriter(64);
  private prefixBytes = 0;
  private readonly namespaceOut = new ByteWriter(8);
  private seen = -1;
  /** What was written last. */
  private out = NO_VALUE;
  /** Where each element that was written ends. */
  private readonly ends: number[] = [];
  private namespace: Namespace = VOID_NAMESPACE;

  constructor(private readonly target: LogTarget, private readonly state: LoggedState) {
    writeNamespace(this.namespaceOut, VOID_NAMESPACE);
  }

  /** What later calls speak of. */
  setNamespace(namespace: Namespace): void {
    if (namespace === VOID_NAMESPACE && this.namespace === VOID_NAMESPACE) return;
    this.seen = -1;
    this.namespace = namespace;
    this.namespaceOut.reset();
    writeNamespace(this.namespaceOut, namespace);
  }

  private address(): void {
    if (this.seen === this.target.version) return;
    const { target, row, namespaceOut } = this;
    row.reset();
    row.u16(target.currentKeyGroup());
    row.u16(this.state.line.id);
    writeKey(row, target.key!);
    row.bytes(namespaceOut.buffer, 0, namespaceOut.length);
    this.prefixBytes = row.length;
    this.seen = target.version;
  }

  /** Serializes a value for `putWritten`, `appendWritten` or `putEntryWritten`. @throws If it cannot be. */
  write(value: unknown): void {
    this.out = this.target.startValues();
    writeValue(this.state.serializer, value, this.out, this.state.where);
  }

  /** The value is what was written, from now on. */
  putWritten(): void {
    const { out } = this;
    this.address();
    this.target.buffer.put(this.row.buffer, this.prefixBytes, out.buffer, 0, out.length);
  }

  /** The value is `value` from now on. */
  put(value: unknown): void {
    this.write(value);
    this.putWritten();
  }

  /** The value is gone. */
  remove(): void {
    this.address();
    this.target.buffer.delete(this.row.buffer, this.prefixBytes);
  }

  /** The list has one more element: what was written. */
  appendWritten(): void {
    const { out } = this;
    this.address();
    this.target.buffer.append(this.row.buffer, this.prefixBytes, out.buffer, 0, out.length);
  }

  /** The list has one more element. */
  append(value: unknown): void {
    this.write(value);
    this.appendWritten();
  }

  /** Serializes elements for `appendAllWritten`; those that a list refuses are passed over. @throws If one cannot be. */
  writeAll(values: readonly unknown[]): void {
    const out = this.out = this.target.startValues();
    this.ends.length = 0;
    for (const value of values) {
      if (value === null || value === undefined) continue;
      writeValue(this.state.serializer, value, out, this.state.where);
      this.ends.push(out.length);
    }
  }

  /** The list has these elements more: what was written. */
  appendAllWritten(): void {
    const { out } = this;
    this.address();
    let start = 0;
    for (const end of this.ends) {
      this.target.buffer.append(this.row.buffer, this.prefixBytes, out.buffer, start, end);
      start = end;
    }
  }

  /** The map has this entry, with what was written. */
  putEntryWritten(mapKey: Key): void {
    const { out } = this;
    this.addressEntry(mapKey);
    this.target.buffer.put(this.row.buffer, this.row.length, out.buffer, 0, out.length);
  }

  /** The map has not this entry. */
  removeEntry(mapKey: Key): void {
    this.addressEntry(mapKey);
    this.target.buffer.delete(this.row.buffer, this.row.length);
  }

  private addressEntry(mapKey: Key): void {
    this.address();
    this.row.reset(this.prefixBytes);
    writeKey(this.row, mapKey);
  }

  /** The list or map is empty. */
  clear(): void {
    this.address();
    this.target.buffer.clear(this.row.buffer, this.prefixBytes);
  }
}

/** `sources` without `target`, each once, in their order. */
export function otherNamespaces(target: Namespace, sources: readonly Namespace[]): Namespace[] {
  const seen = new Set<unknown>([namespaceIdentity(target)]);
  const others: Namespace[] = [];
  for (const source of sources) {
    const identity = namespaceIdentity(source);
    if (seen.has(identity)) continue;
    seen.add(identity);
    others.push(source);
  }
  return others;
}

function namespaceIdentity(namespace: Namespace): unknown {
  return namespace === VOID_NAMESPACE ? namespace : `${typeof namespace} ${String(identityOf(namespace))}`;
}
