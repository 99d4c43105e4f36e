/**
 * Numbers the elements of each list from 0 while the rows of a canonical snapshot go out in order.
 *
 * Called by: run_assembly.ts, ../embedded/canonical_rows.ts.
 * Calls: nothing.
 *
 * @module
 */
import type { RunState } from "../runs/run_format.ts";

/** Size of the number at the end of a row key. */
const NUMBER_BYTES = 8;

/** Counts the elements of one list after the other. */
export class ListNumbers {
  /** Elements of the longest list so far. */
  longest = 0;
  private isListById = new Uint8Array(0);
  private next = 0;
  private keyGroup = -1;
  /** What names the list of the last row: its state id, key and namespace. */
  private prefix = new Uint8Array(128);
  private prefixBytes = 0;

  /** @param states As for `use`. */
  constructor(states: readonly RunState[] = []) {
    this.use(states);
  }

  /** @param states The state table of the rows to come. */
  use(states: readonly RunState[]): void {
    this.isListById = new Uint8Array(states.reduce((size, { id }) => Math.max(size, id + 1), 0));
    for (const { id, kind } of states) if (kind === "list") this.isListById[id] = 1;
  }

  /** Whether rows of a state have numbers. */
  isList(stateId: number): boolean {
    return this.isListById[stateId] === 1;
  }

  /** Sets the number of a list element, whose row key is the key group followed by `bytes[start..end-1]`. */
  renumber(keyGroup: number, bytes: Uint8Array, start: number, end: number): void {
    const size = end - start - NUMBER_BYTES;
    if (!this.isSameList(keyGroup, bytes, start, size)) this.startList(keyGroup, bytes, start, size);
    let number = this.next++;
    if (this.next > this.longest) this.longest = this.next;
    for (let i = end - 1; i >= end - NUMBER_BYTES; i--) {
      bytes[i] = number % 256;
      number = Math.floor(number / 256);
    }
  }

  private isSameList(keyGroup: number, bytes: Uint8Array, start: number, size: number): boolean {
    if (keyGroup !== this.keyGroup || size !== this.prefixBytes) return false;
    // Neighbours differ near the end, if at all.
    for (let i = size - 1; i >= 0; i--) if (this.prefix[i] !== bytes[start + i]) return false;
    return true;
  }

  private startList(keyGroup: number, bytes: Uint8Array, start: number, size: number): void {
    if (size > this.prefix.length) this.prefix = new Uint8Array(size * 2);
    for (let i = 0; i < size; i++) this.prefix[i] = bytes[start + i]!;
    this.prefixBytes = size;
    this.keyGroup = keyGroup;
    this.next = 0;
  }
}
