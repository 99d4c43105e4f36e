/**
 * Keeps parts of the indexes and filters of runs in memory: those that were used lately, within a limit.
 *
 * Called by: block_cache.ts (makes one, counts its bytes), parted_index.ts, parted_bloom.ts.
 * Calls: core/bytes.ts; the files it was given.
 *
 * Invariants:
 * - a part is kept only after its CRC has been checked;
 * - its parts together stay within the limit, unless one alone is larger.
 *
 * Source: CLOCK, Corbató, "A paging experiment with the Multics system", 1968; RocksDB's partitioned index and filters.
 *
 * @module
 */
import { crc32 } from "../../core/bytes.ts";
import { SnapshotCorruptError } from "../../core/errors.ts";
import type { RunInput } from "./run_input.ts";

/** Parts of an owner are told apart by owner · this + number. */
const PARTS = 2 ** 26;

/** What is kept of a part. */
interface KeptPart {
  readonly part: unknown;
  readonly bytes: number;
  /** Whether it was used since the hand of the clock has passed. */
  isUsed: boolean;
}

/** Parts of many owners. */
export class PartPool {
  /** What its parts take now. */
  heldBytes = 0;
  private nextOwner = 0;
  private readonly parts = new Map<number, KeptPart>();

  /**
   * @param limitBytes What its parts may take.
   * @param partBytes About how many bytes a part has in its file; a multiple of 64.
   */
  constructor(private readonly limitBytes: number, readonly partBytes: number) {}

  /** A number for one whose parts are kept. */
  addOwner(): number {
    return this.nextOwner++;
  }

  /** A part that is kept; undefined if it is not. */
  find(owner: number, number: number): unknown {
    const kept = this.parts.get(owner * PARTS + number);
    if (kept === undefined) return undefined;
    kept.isUsed = true;
    return kept.part;
  }

  /** Keeps a part that was not; others give way. */
  keep(owner: number, number: number, part: unknown, bytes: number): void {
    // One that was used since is put behind the others once: each is looked at twice at most.
    for (const [key, oldest] of this.parts) {
      if (this.heldBytes + bytes <= this.limitBytes) break;
      this.parts.delete(key);
      if (oldest.isUsed) {
        oldest.isUsed = false;
        this.parts.set(key, oldest);
      } else {
        this.heldBytes -= oldest.bytes;
      }
    }
    this.parts.set(owner * PARTS + number, { part, bytes, isUsed: false });
    this.heldBytes += bytes;
  }

  /** Forgets the parts of an owner. */
  removeOwner(owner: number): void {
    for (const [key, { bytes }] of this.parts) {
      if (Math.floor(key / PARTS) !== owner) continue;
      this.parts.delete(key);
      this.heldBytes -= bytes;
    }
  }
}

/**
 * Reads bytes of a file that were read and checked before.
 *
 * @throws {SnapshotCorruptError} If they are not what they were. @throws {StreamError} If they cannot be read.
 */
export function readPart(input: RunInput, offset: number, size: number, expectedCrc: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(size);
  input.read(bytes, offset);
  if (crc32(bytes) === expectedCrc) return bytes;
  throw new SnapshotCorruptError(input.path, { reason: "a part of the index or filter has changed", offset });
}
