/** Timers of tests: numbers by key group, in a backend's own store or on the heap beside it. */
import type { StateBackend } from "../../core/backend.ts";
import { ByteWriter } from "../../core/bytes.ts";
import type { BackendVariant } from "./backend_variants.ts";
import { HeapRows } from "./heap_rows.ts";

/** The timers of one subtask. */
export interface Timers {
  set(keyGroup: number, number: number, isThere: boolean): void;
  /** Ascending. */
  numbers(keyGroup: number): number[];
}

/** Name of their state. */
export const TIMERS = "timers";

/** The timers of a backend that has just been opened, where they live with it. */
export function timersOf(backend: StateBackend, { timers: where }: BackendVariant): Timers {
  if (where === "embedded") return new StoredTimers(backend);
  const rows = new HeapRows();
  backend.attach(rows);
  return rows;
}

class StoredTimers implements Timers {
  private readonly rows;

  constructor(backend: StateBackend) {
    this.rows = backend.orderedRows!(TIMERS);
  }

  set(keyGroup: number, number: number, isThere: boolean): void {
    const row = new ByteWriter();
    row.u32(number);
    if (isThere) this.rows.add(keyGroup, row.buffer, row.length);
    else this.rows.remove(keyGroup, row.buffer, row.length);
  }

  numbers(keyGroup: number): number[] {
    const numbers: number[] = [];
    this.rows.scan(keyGroup, null, 1000, (bytes, start) => {
      numbers.push(new DataView(bytes.buffer, bytes.byteOffset).getUint32(start));
      return true;
    });
    return numbers;
  }
}
