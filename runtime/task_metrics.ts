/**
 * Fills the metrics of one subtask and of the operators of its chain from what they count anyway.
 *
 * Called by: runtime/task_builder.ts (makes it); runtime/metrics.ts whenever somebody looks.
 * Calls: nothing; it reads fields.
 *
 * @module
 */
import { MIN_WATERMARK } from "../core/element.ts";
import { Exchange } from "./exchange.ts";
import { InputGate } from "./input_gate.ts";
import type { OperatorMetrics, TaskMetrics } from "./metrics.ts";
import { Operator } from "./operator.ts";
import { SinkOperator } from "./operators/sink_operator.ts";
import type { Output } from "./output.ts";
import type { Subtask } from "./subtask.ts";

/** An operator of a chain, with what its figures follow from. */
export interface ReportedOperator {
  readonly operator: Operator<never, unknown>;
  readonly metrics: OperatorMetrics;
  /** Operator of the same chain that it reads; null for the head. */
  readonly upstream: Operator<never, unknown> | null;
  /** One reader of the main output and one of each side output that is read: all readers of an output take the same. */
  readonly readers: readonly Output<unknown>[];
}

/** Returns what brings the metrics of a subtask up to date. @param chain Upstream first. */
export function taskReport(subtask: Subtask, metrics: TaskMetrics, chain: readonly ReportedOperator[]): () => void {
  return () => {
    reportTask(subtask, metrics);
    reportChain(subtask, chain);
  };
}

function reportTask(subtask: Subtask, metrics: TaskMetrics): void {
  const { input, exchanges, operators, times, snapshots } = subtask;
  const gate = input instanceof InputGate ? input : null;
  const sinks = operators.filter((operator) => operator instanceof SinkOperator);
  metrics.numRecordsIn.count = gate?.recordsIn ?? operators[0]?.recordCount ?? 0;
  metrics.numRecordsOut.count = sum(exchanges.map((exchange) => exchange.recordsTaken)) +
    sum(sinks.map((sink) => sink.recordCount));
  metrics.busyTimeMs.count = times.totalMs("busy") + times.totalMs("changelogBusy");
  metrics.changelogBusyTimeMs.count = times.totalMs("changelogBusy");
  metrics.idleTimeMs.count = times.totalMs("idle");
  metrics.backPressuredTimeMs.count = times.totalMs("backPressured");
  metrics.isBackPressured = times.isBackPressured;
  metrics.currentInputWatermark = gate?.watermarkMs ?? MIN_WATERMARK;
  metrics.checkpointAlignmentTime = (snapshots.lastArrival?.alignmentMs ?? 0) * 1e6;
  metrics.checkpointStartDelayNanos = (snapshots.lastArrival?.startDelayMs ?? 0) * 1e6;
}

function reportChain({ input }: Subtask, chain: readonly ReportedOperator[]): void {
  const outputMs = new Map<Operator<never, unknown>, number>();
  for (const { operator, metrics, upstream, readers } of chain) {
    const gateMs = input instanceof InputGate ? input.watermarkMs : MIN_WATERMARK;
    const inputMs = upstream === null ? gateMs : outputMs.get(upstream) ?? MIN_WATERMARK;
    outputMs.set(operator, operator.watermarkAfter(inputMs));
    metrics.currentInputWatermark = inputMs;
    metrics.currentOutputWatermark = operator.watermarkAfter(inputMs);
    metrics.numRecordsOut.count = operator instanceof SinkOperator
      ? operator.recordCount
      : sum(readers.map((reader) => recordsTakenBy(reader)));
  }
}

function recordsTakenBy(reader: Output<unknown>): number {
  if (reader instanceof Operator) return reader.recordCount;
  return reader instanceof Exchange ? reader.recordsTaken : 0;
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
