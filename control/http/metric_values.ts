/**
 * Turns what a job measures into the flat lists of names and values that Flink's REST API has.
 *
 * Called by: control/http/metric_routes.ts, control/http/vertex_routes.ts.
 * Calls: runtime/metrics.ts.
 *
 * A metric of an operator is `<operator>.<name>`, one of a subtask `<name>`; asked for a whole vertex, its subtask's
 * number stands in front. A histogram is one value for each of its figures: `<name>_min`, `_max`, `_mean`, `_median`,
 * `_p95`, `_p99`, `_count`.
 *
 * @module
 */
import { MAX_WATERMARK, MIN_WATERMARK } from "../../core/element.ts";
import type { MetricReading, MetricScope } from "../../runtime/metric_group.ts";
import type { MetricRegistry } from "../../runtime/metrics.ts";

/** One figure of a subtask. */
export interface TaskValue {
  readonly vertexId: string;
  readonly subtaskIndex: number;
  /** `<name>` or `<operator>.<name>`. */
  readonly id: string;
  readonly value: number | string;
}

/** A figure with its name. */
export interface NamedValue {
  readonly id: string;
  readonly value: number | string;
}

/** Figures of the job as a whole. */
export function jobValues(metrics: MetricRegistry): NamedValue[] {
  return metrics.job.read().flatMap((reading) => figuresOf(reading));
}

/** Figures of the subtasks of a vertex and of their operators. */
export function vertexValues(metrics: MetricRegistry, vertexId: string): TaskValue[] {
  return [...metrics.tasks(), ...metrics.operators()]
    .filter(({ scope }) => scope.kind !== "job" && scope.vertexId === vertexId)
    .flatMap((group) => group.read().flatMap((reading) => taskValuesOf(reading)));
}

function taskValuesOf(reading: MetricReading): TaskValue[] {
  const { scope } = reading;
  if (scope.kind === "job") return [];
  const { vertexId, subtaskIndex } = scope;
  return figuresOf(reading).map(({ id, value }) => ({ vertexId, subtaskIndex, id: `${prefixOf(scope)}${id}`, value }));
}

function prefixOf(scope: MetricScope): string {
  return scope.kind === "operator" ? `${scope.operatorName}.` : "";
}

/** The figures of one metric. */
export function figuresOf(reading: MetricReading): NamedValue[] {
  const { name } = reading;
  if (reading.type !== "histogram") return [{ id: name, value: reading.value }];
  return Object.entries(reading.value).map(([figure, value]) => ({ id: `${name}_${figure}`, value }));
}

/** A value as Flink writes it: "NaN" when it is unknown, watermarks before the first and after the last as its longs. */
export function valueText(value: number | string): string {
  if (value === MIN_WATERMARK) return "-9223372036854775808";
  if (value === MAX_WATERMARK) return "9223372036854775807";
  return String(value);
}

/** Ways to make one number of many. */
export const AGGREGATIONS = ["min", "max", "sum", "avg", "skew"] as const;

/** One of them. */
export type Aggregation = typeof AGGREGATIONS[number];

/**
 * Makes one number of those of several subtasks or jobs.
 *
 * @param values At least one.
 * @returns For `skew`, how far they are from their mean on average, in percent of it: 0 when all are the same.
 */
export function aggregate(aggregation: Aggregation, values: readonly number[]): number {
  const sum = values.reduce((total, value) => total + value, 0);
  const mean = sum / values.length;
  switch (aggregation) {
    case "min":
      return Math.min(...values);
    case "max":
      return Math.max(...values);
    case "sum":
      return sum;
    case "avg":
      return mean;
    case "skew": {
      const deviation = values.reduce((total, value) => total + Math.abs(value - mean), 0) / values.length;
      return mean === 0 ? 0 : Math.min(100, (deviation / Math.abs(mean)) * 100);
    }
  }
}

/** The values of each id that are numbers, in the order in which ids come first. */
export function numbersById(values: readonly NamedValue[]): Map<string, number[]> {
  const byId = new Map<string, number[]>();
  for (const { id, value } of values) {
    const number = typeof value === "number" ? value : Number.NaN;
    if (Number.isNaN(number)) continue;
    const known = byId.get(id);
    if (known === undefined) byId.set(id, [number]);
    else known.push(number);
  }
  return byId;
}

/**
 * Subtask numbers of a list as `0-3,7`.
 *
 * @returns Undefined if the text is no such list.
 */
export function parseRanges(text: string): ReadonlySet<number> | undefined {
  const ranges: [number, number][] = [];
  for (const part of text.split(",")) {
    const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(part.trim());
    if (match === null) return undefined;
    const first = Number(match[1]);
    const last = match[2] === undefined ? first : Number(match[2]);
    if (last < first) return undefined;
    ranges.push([first, last]);
  }
  const numbers = new Set<number>();
  let next = 0;
  // In order, so that each number is added once however often the text names it.
  for (const [first, last] of ranges.sort(([left], [right]) => left - right)) {
    for (next = Math.max(next, first); next <= last; next++) numbers.add(next);
  }
  return numbers;
}
