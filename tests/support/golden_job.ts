/**
 * The pipeline of which tests/golden holds checkpoints and savepoints as earlier versions have written them: keyed state
 * of every kind, timers of both clocks. It must stay as it is: names and values are in those files.
 *
 * Called by: tests/runtime/golden_jobs_test.ts.
 * Calls: mod.ts.
 */
import {
  aggregatingState,
  type DataStream,
  KeyedActor,
  listState,
  mapState,
  reducingState,
  valueState,
} from "../../mod.ts";

/** Records of the input: 0 .. RECORDS - 1. */
export const RECORDS = 100;
/** Records that were processed when the golden files were written. */
export const BEFORE = 55;
/** When the timers of processing time are due. */
export const WAKE_MS = 60_000;
const WINDOW_MS = 100;
const KEYS = 5;

/** Event time of a record. */
export function timeOf(n: number): number {
  return n * 10;
}

function keyOf(n: number): string {
  return `k${n % KEYS}`;
}

function windowEnd(n: number): number {
  return (Math.floor(timeOf(n) / WINDOW_MS) + 1) * WINDOW_MS;
}

class Windows extends KeyedActor<string, number, string> {
  readonly #count = this.state(valueState<number>("count", { default: 0 }));
  readonly #recent = this.state(listState<number>("recent"));
  readonly #thirds = this.state(mapState<string, number>("thirds"));
  readonly #sum = this.state(reducingState<number>("sum", (left, right) => left + right));
  readonly #mean = this.state(aggregatingState("mean", {
    create: () => ({ sum: 0, count: 0 }),
    add: ({ sum, count }, n: number) => ({ sum: sum + n, count: count + 1 }),
    result: ({ sum, count }) => sum / count,
    merge: (left, right) => ({ sum: left.sum + right.sum, count: left.count + right.count }),
  }));

  override onMessage(n: number): void {
    this.#count.update(this.#count.value() + 1);
    this.#recent.add(n);
    this.#thirds.set(`${n % 3}`, n);
    this.#sum.add(n);
    this.#mean.add(n);
    this.timers.registerEventTime(windowEnd(n));
    // Later ones would be set by the run that has restored the others.
    if (n < BEFORE) this.timers.registerProcessingTime(WAKE_MS);
  }

  override onTimer(timestampMs: number, domain: "event" | "processing"): void {
    if (domain === "processing") return this.emit(`${this.key} woke`);
    const thirds = [...this.#thirds.entries()].map(([third, n]) => `${third}:${n}`).sort().join();
    this.emit(
      `${this.key} ${timestampMs} count ${this.#count.value()} recent ${this.#recent.get().join()} thirds ${thirds} ` +
        `sum ${this.#sum.get()} mean ${this.#mean.get()}`,
    );
    this.#recent.clear();
  }
}

/** The step whose state is keyed. */
export function windowsOf(numbers: DataStream<number>): DataStream<string> {
  return numbers.keyBy(keyOf).actor("windows", () => new Windows());
}

interface Key {
  count: number;
  sum: number;
  recent: number[];
  readonly thirds: Map<string, number>;
  readonly ends: Set<number>;
}

/** What the job emits behind the golden files, sorted: each window that ends later, and each key that wakes. */
export function expectedAfter(): string[] {
  const keys = Array.from({ length: KEYS }, (): Key => ({
    count: 0,
    sum: 0,
    recent: [],
    thirds: new Map(),
    ends: new Set(),
  }));
  const lines = keys.map((_, index) => `k${index} woke`);
  for (let n = 0; n < RECORDS; n++) {
    const key = keys[n % KEYS]!;
    key.count++;
    key.sum += n;
    key.recent.push(n);
    key.thirds.set(`${n % 3}`, n);
    key.ends.add(windowEnd(n));
    // The watermark is a millisecond behind the newest record, and beyond all time at the end.
    const watermarkMs = n + 1 === RECORDS ? Number.POSITIVE_INFINITY : timeOf(n) - 1;
    for (const [index, one] of keys.entries()) {
      const fired = windowsOfKey(`k${index}`, one, watermarkMs);
      if (n >= BEFORE) lines.push(...fired);
    }
  }
  return lines.sort();
}

/** The windows of a key that a watermark ends. */
function windowsOfKey(name: string, key: Key, watermarkMs: number): string[] {
  const lines: string[] = [];
  for (const endMs of [...key.ends].sort((left, right) => left - right)) {
    if (endMs > watermarkMs) break;
    const thirds = [...key.thirds].map(([third, n]) => `${third}:${n}`).sort().join();
    lines.push(
      `${name} ${endMs} count ${key.count} recent ${key.recent.join()} thirds ${thirds} ` +
        `sum ${key.sum} mean ${key.sum / key.count}`,
    );
    key.ends.delete(endMs);
    key.recent = [];
  }
  return lines;
}
