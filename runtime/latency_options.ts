/**
 * Declares the options of latency tracking: how long accesses of keyed state take, measured now and then.
 *
 * Called by: runtime/job_settings.ts (reads them), control/ (checks and documents them).
 * Calls: core/config_option.ts.
 *
 * @module
 */
import type { AnyOption, Configuration } from "../core/config.ts";
import { booleanOption, type ConfigOption, intOption } from "../core/config_option.ts";

/** What is measured, and how often. */
export interface StateLatencySettings {
  /** Every so many accesses of one kind to one state, one is measured; ≥ 1. */
  readonly sampleInterval: number;
  /** Samples that a histogram keeps, ≥ 1. */
  readonly historySize: number;
  /** Whether the name of the state is a variable of its metrics, `state_name`, rather than a part of their names. */
  readonly stateNameAsVariable: boolean;
}

/** Whether accesses are measured. */
export const LATENCY_TRACKING: ConfigOption<boolean> = booleanOption("state.latency-track.keyed-state-enabled", {
  default: false,
  oldNames: ["state.backend.latency-track.keyed-state-enabled"],
  description:
    "Whether it is measured now and then how long reads and writes of keyed state take; docs/metrics.md lists the " +
    "histograms. Off, nothing is added to an access.",
});

/** One of so many accesses is measured. */
export const LATENCY_SAMPLE_INTERVAL: ConfigOption<number> = intOption("state.latency-track.sample-interval", {
  default: 100,
  min: 1,
  oldNames: ["state.backend.latency-track.sample-interval"],
  description: "Of so many accesses of one kind to one state, one is measured: the first of them.",
});

/** Samples of a histogram. */
export const LATENCY_HISTORY_SIZE: ConfigOption<number> = intOption("state.latency-track.history-size", {
  default: 128,
  min: 1,
  max: 1_048_576,
  oldNames: ["state.backend.latency-track.history-size"],
  description: "How many of the newest samples each of these histograms keeps.",
});

/** Where the name of the state stands. */
export const LATENCY_STATE_NAME_AS_VARIABLE: ConfigOption<boolean> = booleanOption(
  "state.latency-track.state-name-as-variable",
  {
    default: true,
    oldNames: ["state.backend.latency-track.state-name-as-variable"],
    description:
      "Whether the name of the state is a label (`state_name`) of one metric for all states, or part of the metric's " +
      "name.",
  },
);

/** In the order of the reference page. */
export const LATENCY_OPTIONS: readonly AnyOption[] = [
  LATENCY_TRACKING,
  LATENCY_SAMPLE_INTERVAL,
  LATENCY_HISTORY_SIZE,
  LATENCY_STATE_NAME_AS_VARIABLE,
];

/** Reads the settings; null when nothing is measured. */
export function stateLatencySettings(configuration: Configuration): StateLatencySettings | null {
  if (!configuration.get(LATENCY_TRACKING)) return null;
  return {
    sampleInterval: configuration.get(LATENCY_SAMPLE_INTERVAL),
    historySize: configuration.get(LATENCY_HISTORY_SIZE),
    stateNameAsVariable: configuration.get(LATENCY_STATE_NAME_AS_VARIABLE),
  };
}
