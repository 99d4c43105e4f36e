/**
 * Declares what can be measured: counters, gauges and histograms in groups.
 *
 * Called by: users' actors, connectors, runtime; implemented by runtime/metrics.ts.
 * Calls: nothing.
 *
 * @module
 */

/** A number that only events change. */
export interface Counter {
  /** Adds `n`, 1 when absent. */
  inc(n?: number): void;
  /** How often it was counted. */
  readonly count: number;
}

/** Samples of a distribution. */
export interface Histogram {
  /** Takes a sample. */
  update(value: number): void;
  /** Number of samples ever. */
  readonly count: number;
  /** Quantile over the recent samples, NaN when there are none. @param q In 0..1. */
  quantile(q: number): number;
}

/** What tells metrics of one name apart: such a metric is called `<key>.<value>.<name>`. */
export interface MetricLabel {
  /** What is named, e.g. `state_name`. */
  readonly key: string;
  /** Which one. */
  readonly value: string;
}

/** How a histogram is made. */
export interface HistogramSettings {
  /** Recent samples that it keeps, ≥ 1. Default: 128. */
  readonly samples?: number;
  /** Tells it from others of its name; a label of its own where metrics have labels. */
  readonly label?: MetricLabel;
}

/** Metrics of one owner. The same name gives the same metric. */
export interface MetricGroup {
  /** A counter; made when there is none of that name. */
  counter(name: string): Counter;
  /**
   * Registers a value that is read when somebody looks; a second registration replaces the first.
   *
   * @param label Tells it from others of its name.
   */
  gauge(name: string, read: () => number | string, label?: MetricLabel): void;
  /** A histogram; made with these settings when there is none of that name. */
  histogram(name: string, settings?: HistogramSettings): Histogram;
}
