/**
 * Keeps the numbers that a job reports: one group for the job, each subtask and each operator of a subtask.
 *
 * Called by: runtime/ (registers, counts), users' actors and connectors (through core/metrics.ts), control/ (reads).
 * Calls: core/ only.
 *
 * Invariants:
 * - counting costs one addition to a field of one object: nothing is computed until somebody reads;
 * - what is kept is bounded per metric: 128 samples of a histogram, 32 of a meter;
 * - the same scope gives the same group and the same name the same metric, of one type.
 *
 * @module
 */
import { messageOf } from "../core/errors.ts";
import type { Counter, Histogram, HistogramSettings, MetricGroup, MetricLabel } from "../core/metrics.ts";

/** What a metric speaks of. */
export type MetricScope =
  | { readonly kind: "job"; readonly jobName: string }
  | { readonly kind: "task"; readonly jobName: string; readonly vertexId: string; readonly subtaskIndex: number }
  | {
    readonly kind: "operator";
    readonly jobName: string;
    readonly vertexId: string;
    readonly operatorName: string;
    readonly subtaskIndex: number;
  };

/** The distribution of the recent samples of a histogram; every figure but `count` is NaN when there are none. */
export interface HistogramReading {
  /** Number of samples ever. */
  readonly count: number;
  /** Smallest recent sample. */
  readonly min: number;
  /** Largest recent sample. */
  readonly max: number;
  /** Mean of the recent samples. */
  readonly mean: number;
  /** Quantile 0.5 of the recent samples. */
  readonly median: number;
  /** Quantile 0.95 of the recent samples. */
  readonly p95: number;
  /** Quantile 0.99 of the recent samples. */
  readonly p99: number;
}

/** One metric as it is now. */
export type MetricReading =
  & {
    /** What it speaks of. */
    readonly scope: MetricScope;
    /** Unique within the scope. */
    readonly name: string;
    /** Absent for most: what tells this metric from others of its family. */
    readonly label?: MetricLabel;
    /** Present beside `label`: what those of all its values are called. */
    readonly family?: string;
  }
  & (
    | { readonly type: "counter" | "meter"; readonly value: number }
    | { readonly type: "gauge"; readonly value: number | string }
    | { readonly type: "histogram"; readonly value: HistogramReading }
  );

/** A counter whose field the record path changes directly: `counter.count++`. */
export class EventCounter implements Counter {
  /** Number of events. */
  count: number = 0;

  /** Adds `n`, 1 when absent. */
  inc(n = 1): void {
    this.count += n;
  }
}

/** Recent samples that a histogram keeps. */
const HISTOGRAM_SAMPLES = 128;

/** A histogram over the last samples, 128 unless told otherwise. */
export class RecentHistogram implements Histogram {
  /** Number of samples ever. */
  count: number = 0;
  readonly #samples: Float64Array;

  /** Begins without a sample. @param size Samples that it keeps. @throws {RangeError} If it is no whole number ≥ 1. */
  constructor(size: number = HISTOGRAM_SAMPLES) {
    if (!(Number.isSafeInteger(size) && size >= 1)) {
      throw new RangeError(`Cannot make a histogram: its samples must be a whole number ≥ 1, current value is ${size}`);
    }
    this.#samples = new Float64Array(size);
  }

  /** Adds a sample; when it is full, the oldest goes. */
  update(value: number): void {
    this.#samples[this.count % this.#samples.length] = value;
    this.count++;
  }

  /**
   * Quantile over the recent samples, linear between the two nearest; NaN when there are none.
   *
   * @param q In 0..1.
   * @throws {RangeError} If `q` is outside 0..1.
   */
  quantile(q: number): number {
    if (!(q >= 0 && q <= 1)) {
      throw new RangeError(`Cannot read a quantile: q must be in 0..1, current value is ${q}`);
    }
    return quantileOf(this.#sorted(), q);
  }

  /** All figures, for one sort. */
  read(): HistogramReading {
    const sorted = this.#sorted();
    let sum = 0;
    for (const sample of sorted) sum += sample;
    return {
      count: this.count,
      min: quantileOf(sorted, 0),
      max: quantileOf(sorted, 1),
      mean: sum / sorted.length,
      median: quantileOf(sorted, 0.5),
      p95: quantileOf(sorted, 0.95),
      p99: quantileOf(sorted, 0.99),
    };
  }

  #sorted(): Float64Array {
    return this.#samples.slice(0, Math.min(this.count, this.#samples.length)).sort();
  }
}

function quantileOf(sorted: Float64Array, q: number): number {
  const position = (sorted.length - 1) * q;
  const below = sorted[Math.floor(position)] ?? NaN;
  const above = sorted[Math.ceil(position)] ?? NaN;
  return above === below ? below : below + (above - below) * (position - Math.floor(position));
}

/** Samples that a meter keeps. */
const METER_SAMPLES = 32;

/** Growth of a count per second, over the recent samples of it. */
export class Meter {
  readonly #counted: { readonly count: number };
  readonly #windowMs: number;
  /** Oldest first. */
  readonly #timesMs: number[] = [];
  readonly #counts: number[] = [];

  /**
   * Begins without a sample.
   *
   * @param counted Its `count` is read at each sample.
   * @param windowMs Time that the rate is taken over, milliseconds, > 0.
   */
  constructor(counted: { readonly count: number }, windowMs: number) {
    this.#counted = counted;
    this.#windowMs = windowMs;
  }

  /** Reads the count. @param nowMs Any clock that never goes back. */
  sample(nowMs: number): void {
    const times = this.#timesMs;
    const last = times.length - 1;
    // Samples that come faster than the window has room for replace the newest one, but never the first.
    const tooSoon = last > 0 && nowMs - times[last - 1]! < this.#windowMs / (METER_SAMPLES - 2);
    const at = tooSoon ? last : last + 1;
    times[at] = nowMs;
    this.#counts[at] = this.#counted.count;
    while (times.length > 2 && times[1]! <= nowMs - this.#windowMs) {
      times.shift();
      this.#counts.shift();
    }
  }

  /** Per second, between the first and the last sample of the window; 0 before there are two. */
  get rate(): number {
    const last = this.#timesMs.length - 1;
    if (last < 1) return 0;
    const elapsedMs = this.#timesMs[last]! - this.#timesMs[0]!;
    return elapsedMs > 0 ? ((this.#counts[last]! - this.#counts[0]!) * 1_000) / elapsedMs : 0;
  }
}

type Metric =
  | { readonly type: "counter"; readonly metric: EventCounter }
  | { readonly type: "gauge"; readonly metric: () => number | string }
  | { readonly type: "meter"; readonly metric: Meter }
  | { readonly type: "histogram"; readonly metric: RecentHistogram };

/** How a metric that is one of a family is told from the others. */
interface Membership {
  readonly label: MetricLabel;
  readonly family: string;
}

/** The metrics of one scope. */
export class ScopedMetrics implements MetricGroup {
  /** What they speak of. */
  readonly scope: MetricScope;
  readonly #meterWindowMs: number;
  readonly #metrics = new Map<string, Metric>();
  /** Of those that are one of a family, by name. */
  readonly #memberships = new Map<string, Membership>();

  /**
   * Begins without a metric.
   *
   * @param scope What the metrics speak of.
   * @param meterWindowMs Time that rates are taken over, milliseconds, > 0.
   */
  constructor(scope: MetricScope, meterWindowMs: number) {
    this.scope = scope;
    this.#meterWindowMs = meterWindowMs;
  }

  /** The counter of this name. @throws {TypeError} If the name is empty or names a metric of another type. */
  counter(name: string): EventCounter {
    const known = this.#find(name, "counter");
    if (known?.type === "counter") return known.metric;
    const metric = new EventCounter();
    this.#metrics.set(name, { type: "counter", metric });
    return metric;
  }

  /**
   * Registers a value that is read when somebody looks; a second registration replaces the first.
   *
   * @throws {TypeError} If the name is empty or names a metric of another type.
   */
  gauge(name: string, read: () => number | string, label?: MetricLabel): void {
    const fullName = this.#join(name, label);
    this.#find(fullName, "gauge");
    this.#metrics.set(fullName, { type: "gauge", metric: read });
  }

  /**
   * The histogram of this name, and of this label if it has one; made with these settings when there is none.
   *
   * @throws {TypeError} If the name is empty or names a metric of another type.
   */
  histogram(name: string, { samples, label }: HistogramSettings = {}): RecentHistogram {
    const fullName = this.#join(name, label);
    const known = this.#find(fullName, "histogram");
    if (known?.type === "histogram") return known.metric;
    const metric = new RecentHistogram(samples);
    this.#metrics.set(fullName, { type: "histogram", metric });
    return metric;
  }

  /**
   * The meter of this name; `counted` is used when it is new.
   *
   * @throws {TypeError} If the name is empty or names a metric of another type.
   */
  meter(name: string, counted: { readonly count: number }): Meter {
    const known = this.#find(name, "meter");
    if (known?.type === "meter") return known.metric;
    const metric = new Meter(counted, this.#meterWindowMs);
    this.#metrics.set(name, { type: "meter", metric });
    return metric;
  }

  /** Lets every meter read its count. @param nowMs Any clock that never goes back. */
  sample(nowMs: number): void {
    for (const { type, metric } of this.#metrics.values()) {
      if (type === "meter") metric.sample(nowMs);
    }
  }

  /** Every metric as it is now, in the order of registration. A gauge that throws reads as its error's message. */
  read(): MetricReading[] {
    const { scope } = this;
    return [...this.#metrics].map(([name, { type, metric }]): MetricReading => {
      switch (type) {
        case "counter":
          return { scope, name, type, value: metric.count };
        case "gauge":
          return { scope, name, ...this.#memberships.get(name), type, value: readGauge(metric) };
        case "meter":
          return { scope, name, type, value: metric.rate };
        case "histogram":
          return { scope, name, ...this.#memberships.get(name), type, value: metric.read() };
      }
    });
  }

  /** The name within the scope; notes which family it belongs to. */
  #join(name: string, label: MetricLabel | undefined): string {
    if (label === undefined || name === "") return name;
    const fullName = `${label.key}.${label.value}.${name}`;
    this.#memberships.set(fullName, { label, family: `${label.key}.${name}` });
    return fullName;
  }

  #find(name: string, type: Metric["type"]): Metric | undefined {
    if (typeof name !== "string" || name === "") {
      throw new TypeError(
        `Cannot register a metric: its name is ${JSON.stringify(name)}, it must be a string that is not empty`,
      );
    }
    const known = this.#metrics.get(name);
    if (known !== undefined && known.type !== type) {
      throw new TypeError(
        `Cannot register metric "${name}" as a ${type}: it is a ${known.type} already; choose another name`,
      );
    }
    return known;
  }
}

function readGauge(read: () => number | string): number | string {
  try {
    return read();
  } catch (error) {
    // One broken gauge must not hide all other metrics; whoever looks sees what it threw.
    return `error: ${messageOf(error)}`;
  }
}
