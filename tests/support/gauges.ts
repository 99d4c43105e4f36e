/**
 * A metric group that keeps the gauges that are registered.
 *
 * Called by: tests of metrics.
 * Calls: core/.
 */
import type { MetricGroup, MetricLabel } from "../../core/metrics.ts";
import { backendContext } from "./backend_context.ts";

/** See the module. */
export class Gauges implements MetricGroup {
  /** How each is read, by its name and, if it has one, key and value of its label before it. */
  readonly reads: Map<string, () => number | string> = new Map();
  private readonly others: MetricGroup = backendContext().metrics;

  gauge(name: string, read: () => number | string, label?: MetricLabel): void {
    this.reads.set(label === undefined ? name : `${label.key}=${label.value} ${name}`, read);
  }

  counter(name: string): ReturnType<MetricGroup["counter"]> {
    return this.others.counter(name);
  }

  histogram(name: string): ReturnType<MetricGroup["histogram"]> {
    return this.others.histogram(name);
  }

  /** Names of all, sorted. */
  names(): string[] {
    return [...this.reads.keys()].sort();
  }

  /** What one says now. */
  read(name: string): number | string {
    const read = this.reads.get(name);
    if (read === undefined) throw new Error(`No gauge is called "${name}"`);
    return read();
  }
}
