/**
 * The row key of one state, the current key and a namespace; and, where that is a whole row, its value.
 *
 * Every handle has one. The row key is encoded when it is first needed after the key has changed, into the same buffer
 * each time.
 *
 * Called by: the handles.
 * Calls: core/key.ts, keyed_rows.ts, the rows.
 *
 * @module
 */
import { ByteWriter } from "../../core/bytes.ts";
import { checkKey, type Key, type Namespace, VOID_NAMESPACE, writeKey, writeNamespace } from "../../core/key.ts";
import { writeU64 } from "../runs/run_sections.ts";
import { checkPresent, refuseNoKey } from "../states/access_checks.ts";
import type { FoldSlot } from "../states/folding_handles.ts";
import type { EmbeddedState } from "./embedded_state.ts";
import type { KeyedRows } from "./keyed_rows.ts";

/** The place of the current key's value, list or map. Call `address()` before `row` is used. */
export class StateSlot implements FoldSlot {
  /** The first `prefixBytes` name the value, list or map; what follows names an element or entry of it. */
  readonly row: ByteWriter = new ByteWriter(64);
  /** See {@link StateSlot.row}. */
  prefixBytes = 0;
  /** What later calls speak of; change it by `setNamespace`. */
  namespace: Namespace = VOID_NAMESPACE;
  private readonly namespaceOut = new ByteWriter(8);
  /** Version of the keys for which `row` was encoded. */
  private seen = -1;

  constructor(readonly keyed: KeyedRows, readonly state: EmbeddedState) {
    writeNamespace(this.namespaceOut, VOID_NAMESPACE);
  }

  setNamespace(namespace: Namespace): void {
    if (namespace === VOID_NAMESPACE && this.namespace === VOID_NAMESPACE) return;
    if (namespace !== VOID_NAMESPACE) checkKey(namespace);
    this.seen = -1;
    this.namespace = namespace;
    this.namespaceOut.reset();
    writeNamespace(this.namespaceOut, namespace);
  }

  /** Makes `row` the row key of now. @throws {StreamError} Without a current key. */
  address(): void {
    if (this.seen !== this.keyed.version) this.encode();
  }

  private encode(): void {
    const { keyed, row, namespaceOut } = this;
    const key = keyed.key;
    if (key === undefined) return refuseNoKey(this.state.where);
    row.reset();
    row.u16(keyed.currentKeyGroup());
    row.u16(this.state.id);
    writeKey(row, key);
    row.bytes(namespaceOut.buffer, 0, namespaceOut.length);
    this.prefixBytes = row.length;
    this.seen = keyed.version;
  }

  /** Makes `row` that of a map's entry. */
  addressEntry(mapKey: Key): void {
    this.address();
    this.row.reset(this.prefixBytes);
    writeKey(this.row, mapKey);
  }

  /** Makes `row` that of a list's next element. */
  addressNextElement(): void {
    this.address();
    this.row.reset(this.prefixBytes);
    writeU64(this.row, this.keyed.nextListNumber++);
  }

  /** The stored value; undefined when there is none. */
  take(): unknown {
    this.address();
    const { keyed, prefixBytes } = this;
    if (!keyed.rows.get(this.row.buffer, prefixBytes, prefixBytes)) return undefined;
    const found = keyed.rows.found;
    return keyed.read(this.state, found.bytes, found.start, found.end);
  }

  put(value: unknown): void {
    this.address();
    const { keyed, prefixBytes } = this;
    const out = keyed.write(this.state, value);
    keyed.rows.put(this.row.buffer, prefixBytes, prefixBytes, out.buffer, 0, out.length);
  }

  remove(): void {
    this.address();
    this.keyed.rows.delete(this.row.buffer, this.prefixBytes, this.prefixBytes);
  }

  /** Removes all rows of the list or map. */
  clear(): void {
    this.address();
    this.keyed.rows.clear(this.row.buffer, this.prefixBytes);
  }

  check(value: unknown): void {
    checkPresent(value, this.state.where);
  }
}
