/**
 * Walks the entries of one map, which may be written meanwhile: each entry that is there at the beginning is visited
 * once, with what it holds when its turn comes, unless it was removed before.
 *
 * Called by: map_rows.ts.
 * Calls: core/key.ts, state_slot.ts, the rows.
 *
 * @module
 */
import { ByteReader } from "../../core/bytes.ts";
import { type Key, readKey } from "../../core/key.ts";
import type { FoundValue, RowCursor } from "./row_store.ts";
import type { StateSlot } from "./state_slot.ts";

const NO_BYTES = new Uint8Array(0);

/** An iterator over a map; it begins with the first `next()`, with the key that is current then. */
export class MapWalk<T> implements IterableIterator<T> {
  private cursor: RowCursor | undefined;
  private ended = false;
  private prefixBytes = 0;
  /** The state's count of changes at the beginning. */
  private changes = 0;
  /** Where the value of an entry is that may have changed; undefined: in the cursor. */
  private found: FoundValue | undefined;
  private readonly input = new ByteReader(NO_BYTES);

  /** @param pick Makes what is given for each entry out of `key()` and `value()`. */
  constructor(private readonly slot: StateSlot, private readonly pick: (walk: MapWalk<T>) => T) {}

  next(): IteratorResult<T, undefined> {
    try {
      if (!this.ended && this.advance()) return { done: false, value: this.pick(this) };
    } catch (error) {
      this.return();
      throw error;
    }
    return this.return();
  }

  return(): IteratorReturnResult<undefined> {
    this.ended = true;
    this.cursor?.close();
    this.cursor = undefined;
    return { done: true, value: undefined };
  }

  [Symbol.iterator](): this {
    return this;
  }

  private advance(): boolean {
    const { keyed, state } = this.slot;
    const cursor = this.cursor ?? this.begin();
    while (cursor.next()) {
      if (state.changes === this.changes) return true;
      if (keyed.rows.get(cursor.key, cursor.keyBytes, this.prefixBytes)) {
        this.found = keyed.rows.found;
        return true;
      }
    }
    return false;
  }

  private begin(): RowCursor {
    const { slot } = this;
    slot.address();
    this.prefixBytes = slot.prefixBytes;
    this.changes = slot.state.changes;
    return this.cursor = slot.keyed.rows.group(slot.row.buffer, slot.prefixBytes);
  }

  /** Key of the entry. */
  key(): Key {
    const { key, keyBytes } = this.cursor!;
    this.input.open(key, this.prefixBytes, keyBytes);
    return readKey(this.input);
  }

  /** Value of the entry; for `pick` alone, which asks once. */
  value(): unknown {
    const { keyed, state } = this.slot;
    const found = this.found;
    if (found !== undefined) return keyed.read(state, found.bytes, found.start, found.end);
    const { value, valueStart, valueEnd } = this.cursor!;
    return keyed.read(state, value, valueStart, valueEnd);
  }
}
