/**
 * A pipeline with windows of every kind whose output follows from its input alone, and a plain computation of the same.
 *
 * Called by: tests of jobs with windows.
 * Calls: mod.ts, windows.ts.
 */
import {
  type AggregateFunction,
  type CollectSink,
  type DataStream,
  emits,
  generator,
  type StreamEnvironment,
  valueState,
  watermarks,
} from "../../mod.ts";
import { countTrigger, purgingTrigger, session, sliding, tumbling } from "../../windows.ts";

/** Records of the input. */
export const COUNT = 450;
const KEYS = 23;

interface Reading {
  readonly key: string;
  readonly n: number;
  readonly atMs: number;
}

/** The n-th record: times run backwards now and then. */
function reading(n: number): Reading {
  return { key: `k${(n * 7) % KEYS}`, n, atMs: n * 2 - (n * 13) % 17 };
}

const sum: AggregateFunction<Reading, { sum: number; count: number }, string> = {
  create: () => ({ sum: 0, count: 0 }),
  add(kept, { n }) {
    kept.sum += n;
    kept.count++;
    return kept;
  },
  result: ({ sum, count }) => `${sum} of ${count}`,
  merge(left, right) {
    left.sum += right.sum;
    left.count += right.count;
    return left;
  },
};

const KINDS = {
  tumbling: { sizeMs: 100, slideMs: 100 },
  sliding: { sizeMs: 120, slideMs: 20 },
  uneven: { sizeMs: 70, slideMs: 30 },
} as const;
const GAP_MS = 50;

/** Adds the pipeline. @param beforeWindows Called for each record on its way, for example to fail. */
export function windowsOfAllKinds(
  env: StreamEnvironment,
  out: CollectSink<string>,
  beforeWindows: (n: number) => void = () => {},
): void {
  const readings = env.fromSource(
    "readings",
    generator({ count: COUNT, ratePerSecond: 2_000, create: reading }),
    watermarks((one: Reading) => one.atMs).boundedOutOfOrderness(20),
  ).setParallelism(1).map((one) => {
    beforeWindows(one.n);
    return one;
  });
  const byKey = readings.keyBy(({ key }) => key);
  const text = (kind: string, result: string, key: string, startMs: number) => `${kind} ${key} ${startMs}: ${result}`;
  const { tumbling: t, sliding: s, uneven: u } = KINDS;
  const results: DataStream<string>[] = [
    byKey.window(tumbling(t.sizeMs)).reduce(
      "tumbling",
      (left, right) => ({ ...left, n: left.n + right.n }),
      ({ n }, { key, window }) => text("tumbling", `${n}`, key, window.startMs),
    ),
    byKey.window(sliding(s.sizeMs, s.slideMs)).aggregate(
      "sliding",
      sum,
      (result, { key, window }) => text("sliding", result, key, window.startMs),
    ),
    byKey.window(sliding(u.sizeMs, u.slideMs)).apply(
      "uneven",
      (all, { key, window }) =>
        text("uneven", `${all.reduce((total, { n }) => total + n, 0)} of ${all.length}`, key, window.startMs),
    ),
    byKey.window(session(GAP_MS)).aggregate(
      "session",
      sum,
      (result, { key, window }) => text(`session until ${window.endMs}`, result, key, window.startMs),
    ),
    byKey.window(tumbling(t.sizeMs)).process("numbered", {
      emits: emits<string>(),
      globalState: { windows: valueState<number>("windows", { default: 0 }) },
      process(all, context) {
        const { windows } = context.globalState;
        windows.update(windows.value() + 1);
        const total = all.reduce((sum, { n }) => sum + n, 0);
        context.emit(
          text(`numbered ${windows.value()}`, `${total} of ${all.length}`, context.key, context.window.startMs),
        );
      },
    }),
    readings.windowAll(tumbling(t.sizeMs)).aggregate(
      "all",
      sum,
      (result, { window }) => text("all", result, "", window.startMs),
    ),
    byKey.window(tumbling(t.sizeMs)).trigger(purgingTrigger(countTrigger(2))).aggregate(
      "pairs",
      sum,
      (result, view) => text("pairs", result, view.key, view.window.startMs),
    ),
  ];
  results[0]!.union(...results.slice(1)).sinkTo("out", out, { parallelism: 1 });
}

/** What comes out, sorted. */
export function windowResults(): readonly string[] {
  const all = Array.from({ length: COUNT }, (_, n) => reading(n));
  const results: string[] = [];
  const put = (kind: string, key: string, startMs: number, inside: readonly Reading[], counts = true) => {
    if (inside.length === 0) return;
    const total = inside.reduce((sum, { n }) => sum + n, 0);
    results.push(`${kind} ${key} ${startMs}: ${total}${counts ? ` of ${inside.length}` : ""}`);
  };
  const groups = new Map<string, Reading[]>();
  for (const one of all) groups.set(one.key, [...groups.get(one.key) ?? [], one]);
  const endMs = COUNT * 2;
  const cut = (readings: readonly Reading[], { sizeMs, slideMs }: typeof KINDS[keyof typeof KINDS]) => {
    const windows: [startMs: number, inside: Reading[]][] = [];
    for (let startMs = -600; startMs < endMs; startMs += slideMs) {
      windows.push([startMs, readings.filter(({ atMs }) => atMs >= startMs && atMs < startMs + sizeMs)]);
    }
    return windows;
  };
  for (const [startMs, inside] of cut(all, KINDS.tumbling)) put("all", "", startMs, inside);
  for (const [key, readings] of groups) {
    let count = 0;
    for (const [startMs, inside] of cut(readings, KINDS.tumbling)) {
      put("tumbling", key, startMs, inside, false);
      if (inside.length > 0) put(`numbered ${++count}`, key, startMs, inside);
      for (let i = 0; i + 1 < inside.length; i += 2) put("pairs", key, startMs, inside.slice(i, i + 2));
    }
    for (const kind of ["sliding", "uneven"] as const) {
      for (const [startMs, inside] of cut(readings, KINDS[kind])) put(kind, key, startMs, inside);
    }
    let open: Reading[] = [];
    const close = () => open.length > 0 && put(`session until ${open.at(-1)!.atMs + GAP_MS}`, key, open[0]!.atMs, open);
    for (const one of readings.toSorted((left, right) => left.atMs - right.atMs)) {
      if (open.length > 0 && one.atMs > open.at(-1)!.atMs + GAP_MS) {
        close();
        open = [];
      }
      open.push(one);
    }
    close();
  }
  return results.sort();
}
