/**
 * The rows of a store at a moment, with those of a buffer in their places: what both held together.
 *
 * Called by: embedded_snapshot.ts.
 * Calls: the rows it was given.
 *
 * @module
 */
import { compareBytes } from "../../core/bytes.ts";
import { DELETE_PREFIX, PUT } from "../runs/run_format.ts";
import type { BufferCopy } from "./buffer_copy.ts";
import type { MomentRows } from "./row_store.ts";

/** The rows of both; those of the store are closed with it. */
export class RowsAbove implements MomentRows {
  key: Uint8Array;
  keyBytes = 0;
  value: Uint8Array;
  valueStart = 0;
  valueEnd = 0;
  /** Whether there is a row that was not given yet: of the store, of the buffer. */
  private hasBelow = false;
  private hasAbove = false;
  /** Whose rows were given, and are passed by the next call. */
  private passBelow = true;
  private passAbove = true;
  /** Rows of the store that start with it are hidden. */
  private hidden = new Uint8Array(256);
  private hiddenBytes = 0;

  /** @param above Newer than `below`. */
  constructor(private readonly below: MomentRows, private readonly above: BufferCopy) {
    this.key = below.key;
    this.value = below.value;
  }

  next(): boolean {
    const { below, above } = this;
    for (;;) {
      if (this.passBelow) this.hasBelow = below.next();
      if (this.passAbove) this.hasAbove = above.next();
      if (!this.hasBelow && !this.hasAbove) {
        this.passBelow = this.passAbove = false;
        return false;
      }
      const order = this.order();
      this.passBelow = order <= 0;
      this.passAbove = order >= 0;
      if (order < 0) {
        if (!this.isHidden()) return this.give(below);
      } else if (above.code === PUT) {
        return this.give(above);
      } else if (above.code === DELETE_PREFIX) {
        this.hide();
      }
    }
  }

  /** Below 0 when the row of the store comes first, above 0 when that of the buffer does, 0 when they have one key. */
  private order(): number {
    const { below, above } = this;
    if (!this.hasAbove) return -1;
    if (!this.hasBelow) return 1;
    return compareBytes(below.key, 0, below.keyBytes, above.key, 0, above.keyBytes);
  }

  private give(row: MomentRows | BufferCopy): true {
    this.key = row.key;
    this.keyBytes = row.keyBytes;
    this.value = row.value;
    this.valueStart = row.valueStart;
    this.valueEnd = row.valueEnd;
    return true;
  }

  private hide(): void {
    const { key, keyBytes } = this.above;
    if (keyBytes > this.hidden.length) this.hidden = new Uint8Array(keyBytes * 2);
    for (let i = 0; i < keyBytes; i++) this.hidden[i] = key[i]!;
    this.hiddenBytes = keyBytes;
  }

  private isHidden(): boolean {
    const { hidden, hiddenBytes, below: { key, keyBytes } } = this;
    if (hiddenBytes === 0 || keyBytes < hiddenBytes) return false;
    for (let i = 0; i < hiddenBytes; i++) if (key[i] !== hidden[i]) return false;
    return true;
  }

  /** Only to a key group, or a state in one: no list or map reaches beyond those. */
  seek(target: Uint8Array, boundBytes: number): void {
    this.below.seek(target, boundBytes);
    this.above.seek(target, boundBytes);
    this.hiddenBytes = 0;
    this.passBelow = this.passAbove = true;
  }

  close(): void {
    this.below.close();
  }
}
