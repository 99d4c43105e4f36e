/**
 * Rows in memory before they go to the store: a hash table over the bytes of their keys, with all rows in an arena.
 *
 * Rows of one list or map are chained below a row that stands for their group, so that they are read, and cleared,
 * without looking at others. The table grows by one bucket at a time (linear hashing), so no write waits for a rehash.
 *
 * Called by: buffered_rows.ts.
 * Calls: buffer_pages.ts, ordered_states.ts, row_layout.ts.
 *
 * Invariants:
 * - each row key has at most one row that is not dead; elements of lists are in no bucket;
 * - while `pins` is above 0, what a row says is not changed: a new row takes its place, and the old one is dead;
 * - a group that was cleared hides what older buffers and the store have of it.
 *
 * Source: linear hashing, Litwin 1980.
 *
 * @module
 */
import { DELETE, DELETE_PREFIX, PUT } from "../runs/run_format.ts";
import { BufferPages } from "./buffer_pages.ts";
import type { KnownOrder } from "./known_order.ts";
import { OrderedStates } from "./ordered_states.ts";
import {
  DEAD,
  GROUP,
  HASH,
  HEADER_WORDS,
  IDENTITY_MASK,
  IS_GROUP,
  KEY,
  KIND_MASK,
  OPEN_GROUP,
  ROOM,
  VALUE,
  valueStartOf,
} from "./row_layout.ts";
import type { SlotMemory } from "./slot_memory.ts";

/** Buckets of a table that is new: a power of two. */
const FIRST_BUCKETS = 64;
/** Longer values are copied by the runtime. */
const SHORT_COPY = 48;

/** What a buffer says about a row: it has none, and older ones decide. */
export const UNKNOWN = 0;
/** It has the row's value. */
export const FOUND = 1;
/** The row was removed. */
export const HIDDEN = 2;

/** What a buffer says about a row. */
export type Answer = typeof UNKNOWN | typeof FOUND | typeof HIDDEN;

/**
 * The rows written between two freezes. Hashes are 30 bits (`rowHash >>> 2`), that of a row whose prefix is shorter is
 * of both parts. A write returns false when there is no memory for it: nothing has changed then.
 */
export class WriteBuffer {
  /** Where rows lie. */
  readonly pages: BufferPages;
  /** Rows that a flush has to write. */
  rowCount = 0;
  /** Cursors that read here; see the invariants. */
  pins = 0;
  /** Where `lookup` has found a value: `pages.bytes[valueStart..valueEnd-1]`. */
  valueStart = 0;
  /** See {@link WriteBuffer.valueStart}. */
  valueEnd = 0;
  /** Rows of the states that are scanned, in order. */
  readonly ordered: OrderedStates;
  private readonly words: Int32Array;
  private readonly bytes: Uint8Array;
  private buckets: Int32Array<ArrayBuffer>;
  /** Buckets below `split` are addressed by one bit more than `mask` has. */
  private mask: number;
  private split = 0;
  /** Rows that can be looked up, groups included; never fewer. */
  entries = 0;
  /** The row before the one that `find` has found, in its bucket. */
  private before = 0;
  /** How often a row that did not count came to count, in its old place. */
  revivals = 0;
  private knownOrder: KnownOrder | undefined;
  /** Whether any list or map was cleared here. */
  hasClears = false;
  /** Whether it is needed no more; its memory may be another's. */
  isReleased = false;

  /**
   * @param states Ids of the states that are scanned.
   * @param expectedEntries About how many there will be, so that the table need not grow to it.
   */
  constructor(memory: SlotMemory, states: Iterable<number>, expectedEntries = 0) {
    this.pages = new BufferPages(memory);
    this.words = this.pages.words;
    this.bytes = this.pages.bytes;
    this.ordered = new OrderedStates(this.pages, states);
    let count = FIRST_BUCKETS;
    while (count * 2 <= expectedEntries) count *= 2;
    this.buckets = new Int32Array(count);
    this.mask = count - 1;
    this.pages.charge(count * 4);
  }

  /** About how many bytes the keys and values have. */
  get sizeBytes(): number {
    return this.pages.rowBytes;
  }

  /** Looks for a row. */
  lookup(row: Uint8Array, rowBytes: number, prefixBytes: number, prefixHash: number, hash: number): Answer {
    const at = this.find(row, rowBytes, hash, rowBytes << 3);
    if (at !== 0) {
      if ((this.words[at + KEY]! & KIND_MASK) !== PUT) return HIDDEN;
      const start = valueStartOf(this.words, at);
      this.valueStart = start;
      this.valueEnd = start + this.words[at + VALUE]!;
      return FOUND;
    }
    if (prefixBytes < rowBytes && this.hasClears && this.isCleared(row, prefixBytes, prefixHash)) return HIDDEN;
    return UNKNOWN;
  }

  /** Whether the list or map was cleared here. */
  isCleared(prefix: Uint8Array, prefixBytes: number, prefixHash: number): boolean {
    if (!this.hasClears) return false;
    const group = this.findGroup(prefix, prefixBytes, prefixHash);
    return group !== 0 && (this.words[group + KEY]! & KIND_MASK) === DELETE_PREFIX;
  }

  /** The row that stands for a list or map, 0 when nothing of it was written here. */
  findGroup(prefix: Uint8Array, prefixBytes: number, prefixHash: number): number {
    return this.find(prefix, prefixBytes, prefixHash, (prefixBytes << 3) | IS_GROUP);
  }

  /** Sets a row's value to `value[start..end-1]`. */
  put(
    row: Uint8Array,
    rowBytes: number,
    prefixBytes: number,
    prefixHash: number,
    hash: number,
    value: Uint8Array,
    start: number,
    end: number,
  ): boolean {
    let at = this.find(row, rowBytes, hash, rowBytes << 3);
    const size = end - start;
    if (at === 0) {
      at = this.insert(row, rowBytes, prefixBytes, prefixHash, size, PUT);
      if (at === 0) return false;
      this.addToBucket(at, hash);
    } else if (this.words[at + ROOM]! < size || this.pins > 0) {
      at = this.replace(at, row, rowBytes, prefixBytes, prefixHash, hash, size, PUT);
      if (at === 0) return false;
    } else {
      if ((this.words[at + KEY]! & KIND_MASK) !== PUT) this.revive(at, row, prefixBytes, prefixHash);
      this.words[at + VALUE] = size;
    }
    this.copy(value, start, end, valueStartOf(this.words, at));
    return true;
  }

  /** Adds an element of a list: a row that nobody looks up. */
  append(
    row: Uint8Array,
    rowBytes: number,
    prefixBytes: number,
    prefixHash: number,
    value: Uint8Array,
    start: number,
    end: number,
  ): boolean {
    const at = this.insert(row, rowBytes, prefixBytes, prefixHash, end - start, PUT);
    if (at === 0) return false;
    this.copy(value, start, end, valueStartOf(this.words, at));
    return true;
  }

  /** Removes a row. */
  delete(row: Uint8Array, rowBytes: number, prefixBytes: number, prefixHash: number, hash: number): boolean {
    let at = this.find(row, rowBytes, hash, rowBytes << 3);
    if (at === 0) {
      // What older ones have is hidden already.
      if (prefixBytes < rowBytes && this.isCleared(row, prefixBytes, prefixHash)) return true;
      at = this.insert(row, rowBytes, prefixBytes, prefixHash, 0, DELETE);
      if (at === 0) return false;
      this.addToBucket(at, hash);
      return true;
    }
    if ((this.words[at + KEY]! & KIND_MASK) !== PUT) return true; // dead rows are those of a cleared group
    if (this.pins > 0) return this.replace(at, row, rowBytes, prefixBytes, prefixHash, hash, 0, DELETE) !== 0;
    this.words[at + KEY]! |= DELETE;
    this.words[at + VALUE] = 0;
    return true;
  }

  /** Removes all rows of a list or map. */
  clear(prefix: Uint8Array, prefixBytes: number, prefixHash: number): boolean {
    const group = this.groupOf(prefix, prefixBytes, prefixHash);
    if (group === 0) return false;
    const words = this.words;
    if ((words[group + KEY]! & KIND_MASK) === OPEN_GROUP) {
      words[group + KEY] = (prefixBytes << 3) | DELETE_PREFIX;
      this.revivals++;
      this.rowCount++;
      this.hasClears = true;
    }
    for (let row = words[group + GROUP]!; row !== 0; row = words[row + GROUP]!) this.kill(row);
    words[group + GROUP] = 0;
    words[group + VALUE] = 0;
    return true;
  }

  private kill(row: number): void {
    const key = this.words[row + KEY]!;
    if ((key & KIND_MASK) === DEAD) return;
    this.words[row + KEY] = (key & ~KIND_MASK) | DEAD;
    this.rowCount--;
  }

  /**
   * The row with these key bytes, 0 when there is none.
   *
   * @param identity Size of the key * 8, plus IS_GROUP for groups.
   */
  private find(key: Uint8Array, keyBytes: number, hash: number, identity: number): number {
    const { words, bytes } = this;
    let bucket = hash & this.mask;
    if (bucket < this.split) bucket = hash & (this.mask * 2 + 1);
    let before = 0;
    let row = this.buckets[bucket]!;
    search: while (row !== 0) {
      if (words[row + HASH] === hash && (words[row + KEY]! & IDENTITY_MASK) === identity) {
        let at = ((row + HEADER_WORDS + ((keyBytes + 3) >>> 2)) << 2) - keyBytes;
        for (let i = 0; i < keyBytes; i++) {
          if (bytes[at++] !== key[i]) {
            before = row;
            row = words[row]!;
            continue search;
          }
        }
        break;
      }
      before = row;
      row = words[row]!;
    }
    this.before = before;
    return row;
  }

  /** A new row, in no bucket; its value is not written yet. */
  private insert(
    row: Uint8Array,
    rowBytes: number,
    prefixBytes: number,
    prefixHash: number,
    valueBytes: number,
    kind: number,
  ): number {
    const group = prefixBytes < rowBytes ? this.groupOf(row, prefixBytes, prefixHash) : 0;
    if (group === 0 && prefixBytes < rowBytes) return 0;
    const at = this.write(row, rowBytes, valueBytes, valueBytes, kind);
    if (at === 0) return 0;
    if (group !== 0) this.link(at, group);
    this.rowCount++;
    return at;
  }

  /** A new row in the place of one that has no room, or that a cursor reads. */
  private replace(
    old: number,
    row: Uint8Array,
    rowBytes: number,
    prefixBytes: number,
    prefixHash: number,
    hash: number,
    valueBytes: number,
    kind: number,
  ): number {
    const words = this.words;
    const before = this.before;
    // A value that has grown once may well grow again.
    const room = words[old + ROOM]! < valueBytes ? valueBytes + (valueBytes >>> 2) : valueBytes;
    let at = this.write(row, rowBytes, valueBytes, room, kind);
    if (at === 0 && room > valueBytes) at = this.write(row, rowBytes, valueBytes, valueBytes, kind);
    if (at === 0) return 0;
    words[at + HASH] = hash;
    words[at] = words[old]!;
    if (before === 0) this.buckets[this.bucketOf(hash)] = at;
    else words[before] = at;
    this.kill(old);
    this.rowCount++;
    if (prefixBytes < rowBytes) this.link(at, this.findGroup(row, prefixBytes, prefixHash));
    return at;
  }

  /** Makes a row that was removed a put; only one that its group's clear has unlinked joins the group again. */
  private revive(at: number, row: Uint8Array, prefixBytes: number, prefixHash: number): void {
    const words = this.words;
    const wasDead = (words[at + KEY]! & KIND_MASK) === DEAD;
    words[at + KEY] = words[at + KEY]! & ~KIND_MASK;
    if (!wasDead) return;
    this.revivals++;
    this.rowCount++;
    this.link(at, this.findGroup(row, prefixBytes, prefixHash));
  }

  /** Finds or makes the row that stands for a list or map; 0 when there is no memory. */
  private groupOf(prefix: Uint8Array, prefixBytes: number, prefixHash: number): number {
    let group = this.findGroup(prefix, prefixBytes, prefixHash);
    if (group !== 0) return group;
    group = this.write(prefix, prefixBytes, 0, 0, OPEN_GROUP);
    if (group !== 0) this.addToBucket(group, prefixHash);
    return group;
  }

  private link(row: number, group: number): void {
    this.words[row + GROUP] = this.words[group + GROUP]!;
    this.words[group + GROUP] = row;
    this.words[group + VALUE]!++;
  }

  /** Header and key of a new row. */
  private write(key: Uint8Array, keyBytes: number, valueBytes: number, room: number, kind: number): number {
    const keyWords = (keyBytes + 3) >>> 2;
    const roomWords = (room + 3) >>> 2;
    const at = this.pages.take(HEADER_WORDS + keyWords + roomWords);
    if (at === 0) return 0;
    const words = this.words;
    words[at] = 0;
    words[at + HASH] = 0;
    words[at + GROUP] = 0;
    words[at + KEY] = (keyBytes << 3) | kind;
    words[at + VALUE] = valueBytes;
    words[at + ROOM] = roomWords << 2;
    this.copy(key, 0, keyBytes, ((at + HEADER_WORDS + keyWords) << 2) - keyBytes);
    if (this.ordered.isAny) this.ordered.add(at, key, keyBytes);
    return at;
  }

  private copy(from: Uint8Array, start: number, end: number, to: number): void {
    const bytes = this.bytes;
    if (end - start > SHORT_COPY) {
      bytes.set(start === 0 && end === from.length ? from : from.subarray(start, end), to);
    } else {
      for (let i = start; i < end; i++) bytes[to++] = from[i]!;
    }
  }

  private bucketOf(hash: number): number {
    const bucket = hash & this.mask;
    return bucket < this.split ? hash & (this.mask * 2 + 1) : bucket;
  }

  private addToBucket(row: number, hash: number): void {
    const bucket = this.bucketOf(hash);
    this.words[row + HASH] = hash;
    this.words[row] = this.buckets[bucket]!;
    this.buckets[bucket] = row;
    if (++this.entries > this.mask + 1 + this.split) this.addBucket();
  }

  /** Divides the bucket whose turn it is in two. */
  private addBucket(): void {
    const { words, split } = this;
    const added = this.mask + 1 + split;
    if (added >= this.buckets.length) this.growBuckets();
    const buckets = this.buckets;
    let stay = 0;
    let move = 0;
    for (let row = buckets[split]!; row !== 0;) {
      const next = words[row]!;
      if ((words[row + HASH]! & (this.mask * 2 + 1)) === split) {
        words[row] = stay;
        stay = row;
      } else {
        words[row] = move;
        move = row;
      }
      row = next;
    }
    buckets[split] = stay;
    buckets[added] = move;
    this.split++;
    if (this.split > this.mask) {
      this.mask = this.mask * 2 + 1;
      this.split = 0;
    }
  }

  private growBuckets(): void {
    const grown = new Int32Array(this.buckets.length * 2);
    this.pages.charge(this.buckets.length * 4);
    grown.set(this.buckets);
    this.buckets = grown;
  }

  /** The order of a part of the rows; undefined when none is known that has all that count there. */
  get known(): KnownOrder | undefined {
    return this.knownOrder?.revivals === this.revivals ? this.knownOrder : undefined;
  }

  /** Keeps an order of the rows; undefined: forgets it. */
  know(order: KnownOrder | undefined): void {
    if (this.isReleased) return;
    this.pages.charge(((order?.rows.length ?? 0) - (this.knownOrder?.rows.length ?? 0)) * 4);
    this.knownOrder = order;
  }

  /** From now on rows of a state are kept in order, those that are there included. */
  order(stateId: number): void {
    this.ordered.addState(stateId);
  }

  /** Ends a cursor's reading. */
  unpin(): void {
    if (--this.pins === 0 && this.isReleased) this.free();
  }

  /** The buffer is needed no more: frees its memory as soon as no cursor reads it. Twice is once. */
  release(): void {
    if (this.isReleased) return;
    this.isReleased = true;
    if (this.pins === 0) this.free();
  }

  private free(): void {
    this.pages.free();
    this.buckets = new Int32Array(0);
  }
}
