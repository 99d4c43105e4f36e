/**
 * The bloom filter of a run: lines of 64 bytes, so that a question touches one cache line of the processor.
 *
 * Its bytes are part of the run's format (docs/formats.md): never change where a hash goes.
 *
 * Called by: run_encoder.ts, open_run.ts, parted_bloom.ts.
 * Calls: nothing.
 *
 * Source: the cache-local filter of RocksDB; Putze, Sanders, Singler, "Cache-, Hash- and Space-Efficient Bloom Filters".
 *
 * @module
 */

/** Bytes of a line. */
export const LINE_BYTES = 64;
/** More probes than this do not pay. */
export const MAX_PROBES = 16;
const LINE_BITS = LINE_BYTES * 8;
const TWO_TO_32 = 0x1_0000_0000;
/** The golden ratio, as 32 bits. */
const STEP = 0x9e3779b1;

/** Hashes are collected in pieces of this many: no piece is ever copied to a larger one. */
const PIECE_HASHES = 16_384;

/** Collects the hashes of a run until it is known how many there are. */
export class BloomBuilder {
  private readonly full: Uint32Array[] = [];
  /** Grows up to the size of a piece, so that a small run takes little. */
  private piece = new Uint32Array(256);
  private pieceCount = 0;
  private filter: Uint8Array | undefined;
  /** Hashes that are in the filter. */
  private placed = 0;

  /** @param bitsPerKey > 0; 10 let about one in a hundred through. */
  constructor(private readonly bitsPerKey: number) {}

  /** Adds the `rowHash` of a prefix. */
  add(hash: number): void {
    if (this.pieceCount === this.piece.length) this.enlarge();
    this.piece[this.pieceCount++] = hash;
  }

  private enlarge(): void {
    const { piece } = this;
    if (piece.length === PIECE_HASHES) {
      this.full.push(piece);
      this.piece = new Uint32Array(PIECE_HASHES);
      this.pieceCount = 0;
    } else {
      this.piece = new Uint32Array(piece.length * 4);
      this.piece.set(piece);
    }
  }

  private get count(): number {
    return this.full.length * PIECE_HASHES + this.pieceCount;
  }

  /** Bytes that it holds. */
  get memoryBytes(): number {
    return this.full.length * PIECE_HASHES * 4 + this.piece.byteLength + (this.filter?.length ?? 0);
  }

  /** Number of probes of the filter. */
  get probes(): number {
    return Math.max(1, Math.min(MAX_PROBES, Math.round(this.bitsPerKey * 0.62)));
  }

  /** Puts up to `limit` more hashes into the filter; true when all are in it: none may be added any more. */
  buildSome(limit: number): boolean {
    const filter = this.filter ??= new Uint8Array(this.lineCount() * LINE_BYTES);
    const lines = filter.length / LINE_BYTES;
    const probes = this.probes;
    const end = Math.min(this.count, this.placed + limit);
    for (let i = this.placed; i < end; i++) {
      const hash = (this.full[Math.floor(i / PIECE_HASHES)] ?? this.piece)[i % PIECE_HASHES]!;
      const line = lineOf(hash, lines);
      let mixed = mix(hash);
      for (let probe = 0; probe < probes; probe++) {
        const at = line + (mixed >>> 26);
        filter[at] = filter[at]! | (1 << ((mixed >>> 23) & 7));
        mixed = Math.imul(mixed, STEP);
      }
    }
    this.placed = end;
    return end === this.count;
  }

  /** The lines of the filter. */
  build(): Uint8Array {
    this.buildSome(this.count);
    return this.filter!;
  }

  private lineCount(): number {
    return Math.max(1, Math.ceil((this.count * this.bitsPerKey) / LINE_BITS));
  }
}

/** Whether the filter may hold `hash`; false is certain. */
export function bloomMayHold(filter: Uint8Array, probes: number, hash: number): boolean {
  return lineMayHold(filter, lineOf(hash, filter.length / LINE_BYTES), probes, hash);
}

/** The same of a line that begins at byte `line`; the one that the hash goes to. */
export function lineMayHold(filter: Uint8Array, line: number, probes: number, hash: number): boolean {
  let mixed = mix(hash);
  // All bits, also after one that is not set: the processor foresees the answer then, and reads the next filter meanwhile.
  let missing = 0;
  for (let probe = 0; probe < probes; probe++) {
    missing |= ~filter[line + (mixed >>> 26)]! & (1 << ((mixed >>> 23) & 7));
    mixed = Math.imul(mixed, STEP);
  }
  return missing === 0;
}

/** Offset of the line that a hash goes to: by its upper bits. */
export function lineOf(hash: number, lines: number): number {
  return Math.floor((hash / TWO_TO_32) * lines) * LINE_BYTES;
}

/** Where in the line: by bits that differ among the hashes of a line. */
function mix(hash: number): number {
  return Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d) ^ hash;
}
