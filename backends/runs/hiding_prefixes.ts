/**
 * The delete-prefix rows that reach to where a merge stands. Rows come in order, so each is a prefix of the next.
 *
 * Called by: merge_cursor.ts.
 * Calls: nothing.
 *
 * @module
 */

/** A stack of prefixes, the shortest at the bottom, with the age of the newest run that has them. */
export class HidingPrefixes {
  /** How many there are. */
  depth = 0;
  /** The longest one; the others are its first bytes. */
  private bytes = new Uint8Array(64);
  private readonly sizes: number[] = [];
  /** Newest run of a prefix and of those below it. */
  private readonly ages: number[] = [];

  /** The newest run whose prefix reaches here; rows of older ones are hidden. Only while `depth` is above 0. */
  get newest(): number {
    return this.ages[this.depth - 1]!;
  }

  /** Forgets all. */
  clear(): void {
    this.depth = 0;
  }

  /** Forgets the prefixes that `key[0..keyBytes-1]` does not start with. */
  dropPassed(key: Uint8Array, keyBytes: number): void {
    while (this.depth > 0) {
      const size = this.sizes[this.depth - 1]!;
      let i = 0;
      if (keyBytes >= size) { while (i < size && key[i] === this.bytes[i]) i++; }
      if (i === size) return;
      this.depth--;
    }
  }

  /** Adds a prefix, which starts with those that are there, of the run `age` (larger is newer). */
  push(prefix: Uint8Array, prefixBytes: number, age: number): void {
    const top = this.depth - 1;
    if (top >= 0 && this.sizes[top] === prefixBytes) {
      if (age > this.ages[top]!) this.ages[top] = age;
      return;
    }
    if (this.bytes.length < prefixBytes) this.bytes = new Uint8Array(prefixBytes * 2);
    for (let i = 0; i < prefixBytes; i++) this.bytes[i] = prefix[i]!;
    this.sizes[this.depth] = prefixBytes;
    this.ages[this.depth] = top >= 0 && this.ages[top]! > age ? this.ages[top]! : age;
    this.depth++;
  }
}
