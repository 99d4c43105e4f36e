/**
 * Reports figures of write buffers under the names of RocksDB's native metrics, where they are those of mem tables. All
 * states of a backend write to the same buffers: what a state has of them is counted when somebody looks.
 *
 * Called by: embedded_backend_factory.ts.
 * Calls: buffered_rows.ts, buffer_census.ts, state_gauges.ts.
 *
 * @module
 */
import type { MetricGroup } from "../../core/metrics.ts";
import type { RunState } from "../runs/run_format.ts";
import { BufferCensus, type StateCount } from "./buffer_census.ts";
import type { BufferedRows } from "./buffered_rows.ts";
import { stateGauge } from "./state_gauges.ts";

/** What a state has in the buffers. */
interface StateBuffers {
  readonly active: StateCount;
  /** Those that wait for their flush and have rows of the state. */
  readonly frozen: readonly StateCount[];
  /** The one that was flushed last. */
  readonly kept: StateCount;
  /** Whether writers wait. */
  readonly isWriteStopped: boolean;
}

/** How each metric of a state is read. */
const OF_STATE: Readonly<Record<string, (buffers: StateBuffers) => number>> = {
  "actual-delayed-write-rate": () => 0,
  "cur-size-active-mem-table": ({ active }) => active.sizeBytes,
  "cur-size-all-mem-tables": ({ active, frozen }) => active.sizeBytes + sum(frozen, "sizeBytes"),
  "is-write-stopped": ({ isWriteStopped }) => Number(isWriteStopped),
  "mem-table-flush-pending": ({ frozen }) => Number(frozen.length > 0),
  "num-deletes-active-mem-table": ({ active }) => active.deleteCount,
  "num-deletes-imm-mem-tables": ({ frozen }) => sum(frozen, "deleteCount"),
  "num-entries-active-mem-table": ({ active }) => active.rowCount,
  "num-entries-imm-mem-tables": ({ frozen }) => sum(frozen, "rowCount"),
  "num-immutable-mem-table": ({ frozen }) => frozen.length,
  "size-all-mem-tables": ({ active, frozen, kept }) => active.sizeBytes + sum(frozen, "sizeBytes") + kept.sizeBytes,
};

const STALL_MICROS = "stall-micros";

/** Names of the metrics that write buffers have for each state. */
export const BUFFER_STATE_METRICS: readonly string[] = Object.keys(OF_STATE);

/** Names of the metrics that write buffers have once for an operator. */
export const BUFFER_STORE_METRICS: readonly string[] = [STALL_MICROS];

/** The metrics of the write buffers of one backend that somebody asks for. */
export class BufferMetrics {
  private readonly ofState: readonly string[];
  private readonly census = new BufferCensus();
  private rows: BufferedRows | undefined;
  private states: () => readonly RunState[] = () => [];

  /**
   * @param names Those that write buffers do not have are another's to report.
   * @param asVariable Whether the state is a variable of its metrics instead of a part of their names.
   */
  constructor(
    private readonly names: readonly string[],
    private readonly metrics: MetricGroup,
    private readonly asVariable: boolean,
  ) {
    this.ofState = names.filter((name) => Object.hasOwn(OF_STATE, name));
  }

  /** Tells of these buffers from now on. @param states The state table. */
  use(rows: BufferedRows, states: () => readonly RunState[]): void {
    this.rows = rows;
    this.states = states;
    if (!this.names.includes(STALL_MICROS)) return;
    this.metrics.gauge(`rocksdb.${STALL_MICROS}`, () => Math.round(rows.stallMs * 1_000));
  }

  /** Reports what a state has in the buffers. */
  reportState(name: string): void {
    if (this.ofState.length === 0) return;
    const gauge = stateGauge(this.metrics, name, this.asVariable);
    for (const metric of this.ofState) gauge(`rocksdb.${metric}`, () => this.read(metric, name));
  }

  private read(metric: string, name: string): number {
    const { rows, census } = this;
    if (rows === undefined) return 0;
    // Formats of its values have an id each.
    const ids = this.states().filter((state) => state.name === name).map(({ id }) => id);
    const frozen = rows.frozenBuffers.map((buffer) => census.ofFrozen(buffer, ids));
    const { keptBuffer, isWriteStopped } = rows;
    return OF_STATE[metric]!({
      active: census.ofActive(rows.activeBuffer, ids),
      frozen: frozen.filter(({ rowCount }) => rowCount > 0),
      kept: census.ofFrozen(keptBuffer, ids),
      isWriteStopped,
    });
  }
}

function sum(counts: readonly StateCount[], field: keyof StateCount): number {
  return counts.reduce((total, count) => total + count[field], 0);
}
