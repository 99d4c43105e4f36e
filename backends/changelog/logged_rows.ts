/**
 * Rows of another owner (timers) in front of those of another backend: what changes goes to the log as well.
 *
 * Called by: timers/, through core/ordered_rows.ts.
 * Calls: the rows of the backend below, log_buffer.ts.
 *
 * @module
 */
import { ByteWriter } from "../../core/bytes.ts";
import type { OrderedRows } from "../../core/ordered_rows.ts";
import type { LogTarget } from "./log_slot.ts";

const NO_VALUE = new Uint8Array(0);

/** The rows of one owner. */
export class LoggedRows implements OrderedRows {
  private readonly key = new ByteWriter(64);

  /** @param stateId In the state tables of segments. */
  constructor(
    private readonly inner: OrderedRows,
    private readonly target: LogTarget,
    private readonly stateId: number,
  ) {}

  has(keyGroup: number, row: Uint8Array, rowBytes: number): boolean {
    return this.inner.has(keyGroup, row, rowBytes);
  }

  add(keyGroup: number, row: Uint8Array, rowBytes: number): void {
    this.inner.add(keyGroup, row, rowBytes);
    this.address(keyGroup, row, rowBytes);
    this.target.buffer.put(this.key.buffer, this.key.length, NO_VALUE, 0, 0);
  }

  remove(keyGroup: number, row: Uint8Array, rowBytes: number): void {
    this.inner.remove(keyGroup, row, rowBytes);
    this.address(keyGroup, row, rowBytes);
    this.target.buffer.delete(this.key.buffer, this.key.length);
  }

  private address(keyGroup: number, row: Uint8Array, rowBytes: number): void {
    const { key } = this;
    key.reset();
    key.u16(keyGroup);
    key.u16(this.stateId);
    key.bytes(row, 0, rowBytes);
  }

  scan(...args: Parameters<OrderedRows["scan"]>): void {
    this.inner.scan(...args);
  }
}
