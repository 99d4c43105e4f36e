/**
 * Tells where in a row key the prefix ends: the bytes that name the value, list or map that the row belongs to.
 *
 * Called by: run_encoder.ts.
 * Calls: core/key.ts.
 *
 * @module
 */
import { ByteReader } from "../../core/bytes.ts";
import { skipKey } from "../../core/key.ts";
import type { RunState, RunStateKind } from "./run_format.ts";

/** Key group and state id. */
export const ROUTE_BYTES = 4;
/** The number of a list element. */
const LIST_NUMBER_BYTES = 8;

/** Knows the kinds of the states of a run. */
export class RowPrefixes {
  private readonly kinds = new Map<number, RunStateKind>();
  private readonly reader = new ByteReader(new Uint8Array(0));
  private stateId = -1;
  private kind: RunStateKind | undefined;

  /** @param states The state table. */
  constructor(states: readonly RunState[]) {
    for (const state of states) this.kinds.set(state.id, state.kind);
  }

  /**
   * Bytes of the prefix of the row key `key[0..keyBytes-1]`, which is that of a put or delete; -1 if its state is not in
   * the table.
   *
   * @throws {StreamError} Of kind "corrupt" if these are not the bytes of a row of that state.
   */
  bytesOf(key: Uint8Array, keyBytes: number): number {
    const stateId = (key[2]! << 8) | key[3]!;
    if (stateId !== this.stateId) {
      this.stateId = stateId;
      this.kind = this.kinds.get(stateId);
    }
    if (this.kind === "list") return Math.max(ROUTE_BYTES, keyBytes - LIST_NUMBER_BYTES);
    if (this.kind !== "map") return this.kind === undefined ? -1 : keyBytes;
    this.reader.open(key, ROUTE_BYTES, keyBytes);
    skipKey(this.reader);
    skipKey(this.reader);
    return this.reader.position;
  }
}
