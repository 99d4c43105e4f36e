/**
 * Sums up figures of completed checkpoints: extremes and mean of all, percentiles of the last few.
 *
 * Called by: statistics.ts.
 * Calls: nothing.
 *
 * @module
 */

/** How one figure is distributed over completed checkpoints; all are 0 before the first. */
export interface FigureSummary {
  /** Of all since the process began. */
  readonly min: number;
  /** Of all since the process began. */
  readonly max: number;
  /** Mean of all since the process began. */
  readonly avg: number;
  /** Median of the last few, as many as the history has. */
  readonly p50: number;
  /** Ninth decile of the last few. */
  readonly p90: number;
  /** 95th percentile of the last few. */
  readonly p95: number;
  /** 99th percentile of the last few. */
  readonly p99: number;
  /** 99.9th percentile of the last few. */
  readonly p999: number;
}

/** Collects one figure. */
export class RollingSummary {
  readonly #window: number;
  /** The last few, oldest first. */
  #recent: number[] = [];
  #count = 0;
  #sum = 0;
  #min = Number.POSITIVE_INFINITY;
  #max = Number.NEGATIVE_INFINITY;

  /** @param window How many of the last figures the percentiles are of, ≥ 1. */
  constructor(window: number) {
    this.#window = window;
  }

  /** Takes in the figure of one more checkpoint. */
  add(figure: number): void {
    this.#count++;
    this.#sum += figure;
    this.#min = Math.min(this.#min, figure);
    this.#max = Math.max(this.#max, figure);
    this.#recent.push(figure);
    if (this.#recent.length > this.#window) this.#recent.shift();
  }

  /** As it is now. */
  snapshot(): FigureSummary {
    if (this.#count === 0) return { min: 0, max: 0, avg: 0, p50: 0, p90: 0, p95: 0, p99: 0, p999: 0 };
    const sorted = [...this.#recent].sort((a, b) => a - b);
    return {
      min: this.#min,
      max: this.#max,
      avg: this.#sum / this.#count,
      p50: percentile(sorted, 0.5),
      p90: percentile(sorted, 0.9),
      p95: percentile(sorted, 0.95),
      p99: percentile(sorted, 0.99),
      p999: percentile(sorted, 0.999),
    };
  }
}

/**
 * Between the two nearest of some figures, in proportion.
 *
 * Source: the definition that Flink's summaries have from commons-math: position `share * (n + 1)`, counted from 1.
 *
 * @param sorted Ascending, at least one.
 * @param share Above 0, below 1.
 */
export function percentile(sorted: readonly number[], share: number): number {
  const position = share * (sorted.length + 1);
  const below = Math.min(Math.max(Math.floor(position), 1), sorted.length);
  const above = Math.min(below + 1, sorted.length);
  const weight = Math.min(Math.max(position - below, 0), 1);
  return sorted[below - 1]! + weight * (sorted[above - 1]! - sorted[below - 1]!);
}
