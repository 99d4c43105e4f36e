/**
 * The current key of a backend that keeps state as bytes, its key group, and a buffer through which values pass.
 *
 * Called by: what the handles of such a backend share: ../embedded/keyed_rows.ts, ../changelog/log_slot.ts.
 * Calls: core/bytes.ts, core/key_groups.ts.
 *
 * Invariants:
 * - `version` changes with each `setKey`: a row key that was encoded for an older version is stale.
 *
 * @module
 */
import { ByteWriter } from "../../core/bytes.ts";
import type { Key } from "../../core/key.ts";
import { keyGroupOf } from "../../core/key_groups.ts";

/** A buffer that one large value has made larger than this is not kept. */
const KEPT_BYTES = 1_048_576;

/** Its fields are read on the record path. */
export class CurrentKey {
  /** The current key. */
  key: Key | undefined = undefined;
  /** Counts the keys that were set. */
  version = 0;
  private keyGroup = 0;
  private keyGroupVersion = -1;
  private out = new ByteWriter();

  /** @param maxParallelism Number of key groups of the operator. */
  constructor(private readonly maxParallelism: number) {}

  /** Makes `key` the current one; undefined: there is none. */
  setKey(key: Key | undefined): void {
    this.key = key;
    this.version++;
  }

  /** Key group of the current key, which there must be. */
  currentKeyGroup(): number {
    if (this.keyGroupVersion !== this.version) {
      this.keyGroup = keyGroupOf(this.key!, this.maxParallelism);
      this.keyGroupVersion = this.version;
    }
    return this.keyGroup;
  }

  /** An empty buffer for values, the same each time. */
  startValues(): ByteWriter {
    if (this.out.buffer.length > KEPT_BYTES) this.out = new ByteWriter();
    this.out.reset();
    return this.out;
  }
}
