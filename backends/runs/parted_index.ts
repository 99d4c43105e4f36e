/**
 * The block index of an open run, of which only parts are in memory: an index of the parts, and those used lately.
 *
 * Called by: open_run.ts (makes it), run_cursor.ts, block_cache.ts.
 * Calls: run_index.ts, part_pool.ts, core/bytes.ts; the file of the run.
 *
 * Invariants:
 * - it gives the same answers as the {@link RunIndex} of the same section.
 *
 * @module
 */
import { ByteReader, ByteWriter, crc32 } from "../../core/bytes.ts";
import { type PartPool, readPart } from "./part_pool.ts";
import { type BlockIndex, RunIndex } from "./run_index.ts";
import type { RunInput } from "./run_input.ts";

/** Bytes of a part's object in memory, beside its arrays. */
const OBJECT_BYTES = 256;

/** See the module. */
export class PartedIndex implements BlockIndex {
  readonly blockCount: number;
  readonly firstKey: Uint8Array;
  /** Which part has which last keys, and where it is in the file: to it, parts are blocks. */
  private readonly parts: RunIndex;
  /** Number of the first block of each part, then that of blocks. */
  private readonly firstBlocks: Uint32Array;
  private readonly crcs: Uint32Array;
  private readonly endOffset: number;
  private readonly owner: number;

  /**
   * @param whole The index of the section, all of it checked.
   * @param offset Where the section begins in the file.
   */
  constructor(
    whole: RunIndex,
    section: Uint8Array,
    offset: number,
    private readonly input: RunInput,
    private readonly pool: PartPool,
  ) {
    this.blockCount = whole.blockCount;
    this.firstKey = whole.firstKey;
    this.endOffset = whole.offsetOf(whole.blockCount);
    const cuts = cutSection(section, whole.blockCount, pool.partBytes);
    this.firstBlocks = Uint32Array.from(cuts, ({ block }) => block);
    this.crcs = new Uint32Array(cuts.length - 1);
    const top = new ByteWriter(256);
    top.varint(this.crcs.length);
    for (let part = 0; part < this.crcs.length; part++) {
      const { at } = cuts[part]!;
      const next = cuts[part + 1]!;
      const lastKey = whole.lastKeyOf(next.block - 1);
      this.crcs[part] = crc32(section.subarray(at, next.at));
      top.varint(offset + at);
      top.varint(next.at - at);
      top.varint(lastKey.length);
      top.bytes(lastKey);
    }
    top.varint(0); // the first key, which is kept above
    this.parts = new RunIndex(new ByteReader(top.view()), offset + cuts[0]!.at);
    this.owner = pool.addOwner();
  }

  /** Bytes that stay in memory. */
  get memoryBytes(): number {
    const { parts, firstBlocks, crcs, firstKey } = this;
    return OBJECT_BYTES + parts.memoryBytes + firstBlocks.byteLength + crcs.byteLength + firstKey.length;
  }

  offsetOf(block: number): number {
    if (block === this.blockCount) return this.endOffset;
    const part = this.partOf(block);
    return this.load(part).offsetOf(block - this.firstBlocks[part]!);
  }

  sizeOf(block: number): number {
    const part = this.partOf(block);
    return this.load(part).sizeOf(block - this.firstBlocks[part]!);
  }

  lastKeyOf(block: number): Uint8Array {
    const part = this.partOf(block);
    return this.load(part).lastKeyOf(block - this.firstBlocks[part]!);
  }

  blockOf(row: Uint8Array, rowBytes: number): number {
    const part = this.parts.blockOf(row, rowBytes);
    if (part === this.crcs.length) return this.blockCount;
    return this.firstBlocks[part]! + this.load(part).blockOf(row, rowBytes);
  }

  /** Forgets its parts. */
  close(): void {
    this.pool.removeOwner(this.owner);
  }

  /** The part that has a block. */
  private partOf(block: number): number {
    const { firstBlocks } = this;
    let low = 0;
    let high = firstBlocks.length - 2;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (firstBlocks[middle]! <= block) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  private load(part: number): RunIndex {
    const { pool, owner } = this;
    const kept = pool.find(owner, part);
    if (kept !== undefined) return kept as RunIndex; // this class keeps nothing else
    const bytes = readPart(this.input, this.parts.offsetOf(part), this.parts.sizeOf(part), this.crcs[part]!);
    // A section of its own: the number of blocks before it, an empty first key behind.
    const section = new ByteWriter(bytes.length + 16);
    section.varint(this.firstBlocks[part + 1]! - this.firstBlocks[part]!);
    section.bytes(bytes);
    section.varint(0);
    const index = new RunIndex(new ByteReader(section.view()), new ByteReader(bytes).varint());
    pool.keep(owner, part, index, index.memoryBytes + OBJECT_BYTES);
    return index;
  }
}

/** Where a part begins: in the section, and with which block. */
interface Cut {
  readonly at: number;
  readonly block: number;
}

/** Cuts the entries of a section into parts of about `partBytes`; the last one is where they end. */
function cutSection(section: Uint8Array, blockCount: number, partBytes: number): Cut[] {
  const reader = new ByteReader(section);
  reader.varint();
  const cuts: Cut[] = [{ at: reader.position, block: 0 }];
  for (let block = 0; block < blockCount; block++) {
    if (reader.position - cuts.at(-1)!.at >= partBytes) cuts.push({ at: reader.position, block });
    reader.varint();
    reader.varint();
    const keyBytes = reader.varint();
    reader.position += keyBytes;
  }
  // A run without blocks has no part.
  if (blockCount > 0) cuts.push({ at: reader.position, block: blockCount });
  return cuts;
}
