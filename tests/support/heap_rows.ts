/** Rows of another owner on the heap, as timers are: numbers by key group, which can come and go. */
import type { FrozenRows, RowDraft, RowSource } from "../../core/snapshot.ts";

interface Change {
  readonly keyGroup: number;
  readonly number: number;
  readonly isThere: boolean;
}

/** A source whose increments hold what changed since the last confirmed checkpoint. */
export class HeapRows implements RowSource {
  readonly name = "timers";
  private readonly rows = new Map<string, Change>();
  private changes = new Map<string, Change>();
  /** Changes that were frozen and are not confirmed, by checkpoint. */
  private readonly frozen = new Map<number, ReadonlyMap<string, Change>>();

  /** Adds or removes a row. */
  set(keyGroup: number, number: number, isThere: boolean): void {
    const row = { keyGroup, number, isThere };
    const name = `${keyGroup}/${number}`;
    if (isThere) this.rows.set(name, row);
    else this.rows.delete(name);
    this.changes.set(name, row);
  }

  /** The rows of a key group, ascending. */
  numbers(keyGroup: number): number[] {
    const own = [...this.rows.values()].filter((row) => row.keyGroup === keyGroup);
    return own.map(({ number }) => number).sort((left, right) => left - right);
  }

  freeze(checkpointId: number, full: boolean): FrozenRows {
    const rows = [...(full ? this.rows : this.changes).values()];
    this.frozen.set(checkpointId, new Map(this.changes));
    return {
      next: (row: RowDraft): boolean => {
        const next = rows.pop();
        if (next === undefined) return false;
        row.kind = next.isThere ? "put" : "delete";
        row.keyGroup = next.keyGroup;
        row.key.u32(next.number);
        return true;
      },
      release: () => {},
    };
  }

  load(keyGroup: number, key: Uint8Array): void {
    const number = new DataView(key.buffer, key.byteOffset).getUint32(0);
    this.rows.set(`${keyGroup}/${number}`, { keyGroup, number, isThere: true });
  }

  confirm(checkpointId: number): void {
    for (const [name, change] of this.frozen.get(checkpointId) ?? []) {
      if (this.changes.get(name) === change) this.changes.delete(name);
    }
    this.frozen.clear();
  }

  abort(checkpointId: number): void {
    this.frozen.delete(checkpointId);
  }
}
