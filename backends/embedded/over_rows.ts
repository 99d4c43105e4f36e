/**
 * Tells which rows of a store are over: those of states with a time to live.
 *
 * Called by: canonical_rows.ts, compaction in ../lsm/.
 * Calls: core/stamped_value.ts.
 *
 * @module
 */
import { type Expiry, stampAt, StampedSerializer } from "../../core/stamped_value.ts";
import type { EmbeddedState } from "./embedded_state.ts";

/** Whom rows are looked at for. */
export type RowCleanup = "fullSnapshot" | "compaction";

/** The states of which rows may be over. */
export class OverRows {
  /** By state id. */
  private readonly expiries: (Expiry | undefined)[] = [];
  private readonly lists = new Set<number>();
  private nowMs = 0;

  /** Undefined when no state wants that cleanup. */
  static of(states: Iterable<EmbeddedState>, cleanup: RowCleanup): OverRows | undefined {
    const made = new OverRows();
    for (const { id, kind, serializer } of states) {
      if (!(serializer instanceof StampedSerializer) || !serializer.expiry.settings.cleanup[cleanup]) continue;
      made.expiries[id] = serializer.expiry;
      if (kind === "list") made.lists.add(id);
    }
    return made.expiries.length === 0 ? undefined : made;
  }

  /** Looks at the clock, for the answers to come. */
  look(): this {
    for (const expiry of this.expiries) {
      if (expiry === undefined) continue;
      this.nowMs = expiry.nowMs();
      break;
    }
    return this;
  }

  /** Whether the row of a put is over: its whole key begins `key`, its value is at `value[valueStart]`. */
  has(key: Uint8Array, value: Uint8Array, valueStart: number): boolean {
    const expiry = this.expiries[(key[2]! << 8) | key[3]!];
    return expiry !== undefined && expiry.isOver(stampAt(value, valueStart), this.nowMs);
  }

  /** Whether no older row can have this one's key, as the elements of lists never use a number again. */
  isFirst(key: Uint8Array): boolean {
    return this.lists.has((key[2]! << 8) | key[3]!);
  }
}
