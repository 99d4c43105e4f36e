/**
 * The filter of an open run, of which only parts are in memory.
 *
 * Called by: open_run.ts.
 * Calls: part_pool.ts, bloom_filter.ts; the file of the run.
 *
 * @module
 */
import { crc32 } from "../../core/bytes.ts";
import { LINE_BYTES, lineMayHold, lineOf } from "./bloom_filter.ts";
import { type PartPool, readPart } from "./part_pool.ts";
import type { RunInput } from "./run_input.ts";
import type { BloomLines } from "./run_sections.ts";

/** Lines are asked for one at a time; a part has some dozens. */
export class PartedBloom {
  private readonly probes: number;
  private readonly sizeBytes: number;
  private readonly crcs: Uint32Array;
  private readonly owner: number;

  /**
   * @param bloom All of it, checked; only its check sums are kept.
   * @param offset Where its lines begin in the file.
   */
  constructor(
    { probes, lines }: BloomLines,
    private readonly offset: number,
    private readonly input: RunInput,
    private readonly pool: PartPool,
  ) {
    this.probes = probes;
    this.sizeBytes = lines.length;
    const { partBytes } = pool;
    this.crcs = new Uint32Array(Math.ceil(lines.length / partBytes));
    for (let part = 0; part < this.crcs.length; part++) {
      this.crcs[part] = crc32(lines.subarray(part * partBytes, (part + 1) * partBytes));
    }
    this.owner = pool.addOwner();
  }

  /** Bytes that stay in memory. */
  get memoryBytes(): number {
    return this.crcs.byteLength;
  }

  /** Whether the filter may hold `hash`; false is certain. @throws {StreamError} If a part cannot be read. */
  mayHold(hash: number): boolean {
    const line = lineOf(hash, this.sizeBytes / LINE_BYTES);
    const { partBytes } = this.pool;
    const part = Math.floor(line / partBytes);
    return lineMayHold(this.load(part), line - part * partBytes, this.probes, hash);
  }

  private load(part: number): Uint8Array {
    const { pool, owner } = this;
    const kept = pool.find(owner, part);
    if (kept !== undefined) return kept as Uint8Array; // this class keeps nothing else
    const start = part * pool.partBytes;
    const size = Math.min(pool.partBytes, this.sizeBytes - start);
    const bytes = readPart(this.input, this.offset + start, size, this.crcs[part]!);
    pool.keep(owner, part, bytes, size);
    return bytes;
  }

  /** Forgets its parts. */
  close(): void {
    this.pool.removeOwner(this.owner);
  }
}
