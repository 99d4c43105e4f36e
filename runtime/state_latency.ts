/**
 * Measures how long accesses of keyed state take: one of many of each kind, into a histogram under Flink's name.
 *
 * Called by: runtime/keyed_states.ts, runtime/measured_states.ts.
 * Calls: core/clock.ts, core/metrics.ts.
 *
 * @module
 */
import type { Clock } from "../core/clock.ts";
import type { Histogram, MetricGroup } from "../core/metrics.ts";
import type { StateLatencySettings } from "./latency_options.ts";

/** Label that holds the name of the state. */
const STATE_NAME = "state_name";
const NANOS_PER_MS = 1_000_000;

/** One kind of access to one state. */
export class AccessTimer {
  /** Accesses from here to the next one that is measured, itself included. */
  left: number = 1;

  constructor(
    private readonly clock: Clock,
    private readonly histogram: Histogram,
    private readonly sampleInterval: number,
  ) {}

  /** An access that is measured begins. @returns When, for `end`. */
  begin(): number {
    this.left = this.sampleInterval;
    return this.clock.monotonicMs();
  }

  /** It has ended, without an error. */
  end(beganMs: number): void {
    this.histogram.update((this.clock.monotonicMs() - beganMs) * NANOS_PER_MS);
  }
}

/** Makes the timers of the states of one operator subtask. */
export class StateLatency {
  constructor(
    private readonly settings: StateLatencySettings,
    private readonly clock: Clock,
    private readonly metrics: MetricGroup,
  ) {}

  /**
   * The timer of one kind of access.
   *
   * @param metric As Flink calls it, e.g. `valueStateGetLatency`.
   */
  timer(stateName: string, metric: string): AccessTimer {
    const { historySize: samples, sampleInterval, stateNameAsVariable } = this.settings;
    const histogram = stateNameAsVariable
      ? this.metrics.histogram(metric, { samples, label: { key: STATE_NAME, value: stateName } })
      : this.metrics.histogram(`${stateName}.${metric}`, { samples });
    return new AccessTimer(this.clock, histogram, sampleInterval);
  }
}
