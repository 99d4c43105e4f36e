/**
 * Registers figures of one state of an operator: `<state>.<name>`, or `<name>` with the state as a variable.
 *
 * Called by: buffer_metrics.ts; stores that tell their states apart.
 * Calls: the metrics of the operator.
 *
 * Source: Flink's `RocksDBNativeMetricMonitor`, with `column-family-as-variable`.
 *
 * @module
 */
import type { MetricGroup } from "../../core/metrics.ts";

/** What the variable is called. */
const COLUMN_FAMILY = "column_family";

/** Registers a value of a state under a name. */
export type StateGauge = (name: string, read: () => number | string) => void;

/** Where values of a state are registered. @param asVariable Whether the state is a variable instead of a part of names. */
export function stateGauge(metrics: MetricGroup, state: string, asVariable: boolean): StateGauge {
  if (!asVariable) return (name, read) => metrics.gauge(`${state}.${name}`, read);
  const variable = { key: COLUMN_FAMILY, value: state };
  return (name, read) => metrics.gauge(name, read, variable);
}
