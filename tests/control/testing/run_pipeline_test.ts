/** What users' tests can do with a whole pipeline. */
import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  collectSink,
  emits,
  fileSink,
  fromIterable,
  lines,
  type StreamEnvironment,
  StreamError,
  valueState,
  watermarks,
} from "../../../mod.ts";
import { runPipeline } from "../../../testing.ts";
import { tumbling } from "../../../windows.ts";

const TIMEOUT = { timeout: 60_000 };
const COUNT = 200;

interface Order {
  readonly who: string;
  readonly amount: number;
  readonly atMs: number;
}

const ORDERS: readonly Order[] = Array.from({ length: COUNT }, (_, n) => ({
  who: `who ${n * 7 % 5}`,
  amount: n % 11,
  atMs: n * 10,
}));

/** Sums per person and window, exactly once, in a file. */
function sums(env: StreamEnvironment): void {
  env.fromSource("orders", fromIterable(ORDERS), watermarks(({ atMs }) => atMs))
    .keyBy(({ who }) => who)
    .window(tumbling("250 ms"))
    .aggregate("sums", {
      create: () => 0,
      add: (sum: number, { amount }: Order) => sum + amount,
      result: (sum: number) => sum,
      merge: (left: number, right: number) => left + right,
    })
    .map((sum) => `${sum}`)
    .sinkTo("out", fileSink("/out", { format: "lines" }));
}

/** What `sums` has to write, sorted. */
function expectedSums(): string[] {
  const byWindow = new Map<string, number>();
  for (const { who, amount, atMs } of ORDERS) {
    const window = `${who} ${Math.floor(atMs / 250)}`;
    byWindow.set(window, (byWindow.get(window) ?? 0) + amount);
  }
  return [...byWindow.values()].map(String).sort();
}

function linesIn(files: ReadonlyMap<string, string>): string[] {
  const texts = [...files].filter(([path]) => path.startsWith("/out/")).map(([, text]) => text);
  return texts.join("").split("\n").filter((line) => line !== "").sort();
}

test("runPipeline() runs to the end, with checkpoints between records", TIMEOUT, async () => {
  const run = await runPipeline(sums, { checkpointInterval: "20 ms" });
  deepEqual(linesIn(run.files), expectedSums());
  equal(run.result.state, "finished");
  deepEqual([run.restarts, run.processes, run.recordsRead], [0, 1, COUNT]);
  ok(run.checkpoints >= 8, `${run.checkpoints}`);
  ok(run.durationMs >= COUNT && run.durationMs < 2 * COUNT, `${run.durationMs}`);
});

test("runPipeline() does the same each time", TIMEOUT, async () => {
  const options = { checkpointInterval: 15, failAt: [60, { afterRecords: 130, kills: "process" }], seed: 5 } as const;
  const [first, second] = [await runPipeline(sums, options), await runPipeline(sums, options)];
  deepEqual({ ...first, files: linesIn(first.files) }, { ...second, files: linesIn(second.files) });
  deepEqual(linesIn(first.files), expectedSums());
  deepEqual([first.restarts, first.processes], [1, 2]);
  ok(first.recordsRead > COUNT, `${first.recordsRead}`);
});

test("runPipeline() has the same results whatever fails, however parallel, wherever state is", TIMEOUT, async () => {
  const parallelism = fc.integer({ min: 1, max: 3 });
  const failure = fc.oneof(
    fc.record({ afterRecords: fc.integer({ min: 1, max: 2 * COUNT }) }),
    fc.record({
      afterRecords: fc.integer({ min: 1, max: 2 * COUNT }),
      kills: fc.constant("process" as const),
      parallelism,
    }),
  );
  const property = fc.asyncProperty(
    fc.record({
      parallelism,
      backend: fc.constantFrom("heap" as const, "lsm" as const),
      checkpointInterval: fc.integer({ min: 5, max: 80 }),
      seed: fc.integer(),
      failAt: fc.array(failure, { maxLength: 4 }),
    }),
    async (options) => {
      const run = await runPipeline(sums, options);
      deepEqual(linesIn(run.files), expectedSums());
      equal(
        run.processes,
        1 + options.failAt.filter((one) => "kills" in one && one.afterRecords <= run.recordsRead).length,
      );
    },
  );
  await fc.assert(property, { numRuns: 20 });
});

test("runPipeline() reads files and lets time pass only in the pipeline", TIMEOUT, async () => {
  const out = collectSink<string>();
  const run = await runPipeline((env) => {
    env.fromSource("words", lines("/in/*.txt")).keyBy((word) => word).process("later", {
      emits: emits<string>(),
      state: { count: valueState("count", { default: 0 }) },
      onMessage(_word, context) {
        context.state.count.update(context.state.count.value() + 1);
        context.timers.registerProcessingTime(context.timers.currentProcessingTime() + 5);
      },
      onTimer(_timestampMs, context) {
        context.emit(`${context.key} ${context.state.count.value()}`);
      },
    }).sinkTo("out", out);
  }, { files: { "/in/a.txt": "to\nbe\nor\nnot\nto\nbe\nto\nbe\n" }, recordsPerSecond: 100 });
  ok(out.values.includes("to 2") && out.values.includes("be 2"), out.values.join());
  ok(run.durationMs >= 70 && run.durationMs < 200, `${run.durationMs}`);
});

test("runPipeline() fails as the pipeline does", TIMEOUT, async () => {
  const failing = (env: StreamEnvironment) => {
    env.fromSource("orders", fromIterable(ORDERS)).map(({ amount }) => {
      if (amount === 10) throw new Error("too much");
      return amount;
    }).sinkTo("out", collectSink<number>());
  };
  await rejects(runPipeline(failing), (error: StreamError) => {
    ok(error instanceof StreamError);
    match(error.message, /too much/);
    return true;
  });
  // Only planned failures are tried again, each once.
  await rejects(runPipeline(failing, { failAt: 3 }), /too much/);
  await rejects(runPipeline(sums, { failAt: 0 }), RangeError);
  await rejects(runPipeline(sums, { failAt: { afterRecords: 3, parallelism: 2 } }), /kills: "process"/);
  await rejects(runPipeline(sums, { recordsPerSecond: 0 }), RangeError);
  await rejects(runPipeline(sums, { timeLimit: "50 ms" }), /it has not ended after 50 ms/);
});
