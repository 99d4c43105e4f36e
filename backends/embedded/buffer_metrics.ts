/**
 * Reports figures of write buffers under the names of RocksDB's native metrics, where they are those of mem tables.
 *
 * Called by: embedded_backend_factory.ts.
 * Calls: buffered_rows.ts.
 *
 * @module
 */
import type { MetricGroup } from "../../core/metrics.ts";
import type { BufferedRows } from "./buffered_rows.ts";

/** How each metric is read. */
const READ: Readonly<Record<string, (rows: BufferedRows) => number>> = {
  "cur-size-active-mem-table": (rows) => rows.activeBytes,
  "cur-size-all-mem-tables": (rows) => rows.activeBytes + rows.frozenBytes,
  "size-all-mem-tables": (rows) => rows.activeBytes + rows.frozenBytes,
  "mem-table-flush-pending": (rows) => Number(rows.frozenBuffers.length > 0),
  "num-immutable-mem-table": (rows) => rows.frozenBuffers.length,
  "num-entries-active-mem-table": (rows) => rows.activeBuffer.rowCount,
  "num-entries-imm-mem-tables": (rows) => rows.frozenBuffers.reduce((sum, { rowCount }) => sum + rowCount, 0),
  "num-deletes-active-mem-table": (rows) => rows.activeBuffer.countDeletes(),
  "num-deletes-imm-mem-tables": (rows) => rows.frozenBuffers.reduce((sum, buffer) => sum + buffer.countDeletes(), 0),
  "stall-micros": (rows) => Math.round(rows.stallMs * 1_000),
};

/** Names of the metrics that write buffers have. */
export const BUFFER_METRIC_NAMES: readonly string[] = Object.keys(READ);

/** Registers those of `names` that write buffers have. */
export function reportBuffers(names: readonly string[], rows: BufferedRows, metrics: MetricGroup): void {
  for (const name of names) {
    if (Object.hasOwn(READ, name)) metrics.gauge(`rocksdb.${name}`, () => READ[name]!(rows));
  }
}
