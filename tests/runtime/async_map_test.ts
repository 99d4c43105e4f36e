import { deepEqual, equal, match, ok, throws } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  type AsyncOptions,
  collectSink,
  fixedDelay,
  fromIterable,
  generator,
  noRestart,
  StreamEnvironment,
  watermarks,
} from "../../mod.ts";
import { asyncSettings, delayBefore } from "../../runtime/async/async_settings.ts";
import { CallsInFlight, type Mark } from "../../runtime/async/calls_in_flight.ts";
import type { ManualClock } from "../support/manual_clock.ts";
import { checkFinished, failureOf, TestWorld } from "../support/job_harness.ts";
import { scaled } from "../support/scale.ts";

const COUNT = 120;
const NUMBERS = Array.from({ length: COUNT }, (_, n) => n);

/** Answers each number after a time of its own in virtual time, and counts what is out. */
class Service {
  out = 0;
  most = 0;
  calls = 0;
  aborted = 0;
  clock: () => ManualClock;

  constructor(world: TestWorld, private readonly delayOf: (n: number) => number) {
    this.clock = () => world.clock;
  }

  readonly ask = (n: number, { signal }: { readonly signal: AbortSignal }): Promise<number> => {
    this.calls++;
    this.most = Math.max(this.most, ++this.out);
    return new Promise((resolve) => {
      const cancel = this.clock().schedule(this.delayOf(n), () => {
        this.out--;
        resolve(n * 10);
      });
      signal.addEventListener("abort", () => {
        cancel();
        this.out--;
        this.aborted++;
      });
    });
  };
}

test("results come in order, or as they come within a watermark: a model", () => {
  const step = fc.oneof(
    fc.constant("begin" as const),
    fc.nat().map((pick) => ({ pick })),
    fc.constant("watermark" as const),
    fc.constant("drain" as const),
  );
  fc.assert(
    fc.property(fc.boolean(), fc.array(step, { maxLength: 60 }), (isOrdered, steps) => {
      const calls = new CallsInFlight<number, number>(isOrdered);
      const open: ReturnType<typeof calls.begin>[] = [];
      const sent: (number | string)[] = [];
      const came: (number | string)[] = [];
      const target = {
        result: ({ value }: { value: number }) => void sent.push(value),
        mark: (mark: Mark) => void sent.push(mark.kind === "watermark" ? `w${mark.watermarkMs}` : "idle"),
      };
      let next = 0;
      for (const one of [...steps, ...steps.map(() => ({ pick: 0 })), "drain" as const]) {
        if (one === "begin") {
          came.push(next);
          open.push(calls.begin(next, 0));
          next++;
        } else if (one === "watermark") {
          came.push(`w${next}`);
          calls.divide({ kind: "watermark", watermarkMs: next });
        } else if (one === "drain") {
          calls.drain(target);
        } else if (open.length > 0) {
          const [call] = open.splice(one.pick % open.length, 1);
          calls.end(call!, call!.value);
        }
      }
      equal(calls.size, 0);
      equal(calls.hasSendable, false);
      deepEqual(
        sent.filter((one) => typeof one === "number").toSorted(),
        came.filter((one) => typeof one === "number").toSorted(),
      );
      // Behind a watermark is what has come behind it: the last one that was sent before a number is at most that number.
      let watermark = -1;
      for (const one of sent) {
        if (typeof one === "string") watermark = Number(one.slice(1));
        else ok(one >= watermark, sent.join());
      }
      if (isOrdered) {
        deepEqual(
          sent.filter((one) => typeof one === "number"),
          came.filter((one) => typeof one === "number"),
        );
      }
    }),
    { numRuns: scaled(300, 5_000) },
  );
});

for (const ordered of [true, false]) {
  for (const parallelism of [1, 3]) {
    test(`calls are exactly once over failures, ${ordered ? "ordered" : "unordered"}, parallelism ${parallelism}`, async () => {
      const world = new TestWorld({ "parallelism.default": parallelism });
      const service = new Service(world, (n) => (n * 37) % 50);
      const out = collectSink<number>();
      const failAt = new Set([100, 600, 1_150]);
      const outcome = await world.run((env) => {
        env.fromSource("numbers", generator({ count: COUNT, ratePerSecond: 1_000, create: (index) => index }))
          .asyncMap("ask", service.ask, { ordered, capacity: 8 })
          .map((n) => {
            if (failAt.delete(n)) throw new Error(`at ${n}`);
            return n;
          }).sinkTo("out", out);
      }, { restart: fixedDelay({ attempts: 5, delayMs: 1 }) });
      checkFinished(outcome);
      equal(outcome.kind === "ended" && outcome.result.restarts, 3);
      const wanted = NUMBERS.map((n) => n * 10);
      deepEqual(ordered && parallelism === 1 ? [...out.values] : out.values.toSorted((a, b) => a - b), wanted);
      ok(service.most <= 8 * parallelism, `${service.most} calls were out at once`);
      ok(service.most > 4, "hardly any were out at once: the test shows nothing");
    });
  }
}

test("a checkpoint does not wait for calls, and a restore calls for what was out, also with other subtasks", async () => {
  const world = new TestWorld();
  const out = collectSink<number>();
  const build = (service: Service) => (env: StreamEnvironment) => {
    env.fromSource("numbers", fromIterable(NUMBERS.slice(0, 10)))
      .rebalance().asyncMap("ask", service.ask, { timeout: "1 h" }).sinkTo("out", out);
  };
  const never = new Service(world, () => 1e9);
  const first = await world.start(build(never), { config: { "parallelism.default": 2 } });
  await first.forMs(100);
  ok(first.job.progress().checkpointsCompleted > 2);
  equal(never.calls, 10);
  first.kill();
  const prompt = new Service(world, () => 1);
  checkFinished(await world.run(build(prompt), { argv: ["--from", "latest"], config: { "parallelism.default": 3 } }));
  equal(prompt.calls, 10);
  deepEqual(out.values.toSorted((a, b) => a - b), NUMBERS.slice(0, 10).map((n) => n * 10));
});

test("a checkpoint does not wait for calls when no more may be out: the barrier is next in its channel", async () => {
  const world = new TestWorld();
  const never = new Service(world, () => 1e9);
  const process = await world.start((env) => {
    env.fromSource("numbers", generator({ ratePerSecond: 1_000, create: (index) => index })).filter((n) => n < 10)
      .rebalance().asyncMap("ask", never.ask, { timeout: "1 h", capacity: 5 }).sinkTo("out", collectSink());
  }, { config: { "parallelism.default": 2 } });
  await process.forMs(200);
  equal(never.out, 10);
  ok(process.job.progress().checkpointsCompleted > 3, String(process.job.progress().checkpointsCompleted));
  process.kill();
});

test("watermarks stay behind the records that they came behind, and the end waits for the last result", async () => {
  const world = new TestWorld();
  const service = new Service(world, (n) => 100 - n);
  const seen: string[] = [];
  checkFinished(
    await world.run((env) => {
      env.fromSource("numbers", fromIterable([1, 2, 3]), watermarks((n) => n))
        .asyncMap("ask", service.ask, { ordered: false })
        .keyBy(() => 0).process("timers", {
          onMessage(n, { timers }) {
            seen.push(`${n} at ${timers.currentWatermark}`);
            timers.registerEventTime(2);
          },
          onTimer: () => void seen.push("timer"),
        }).sinkTo("out", collectSink());
    }),
  );
  deepEqual(seen, ["10 at -Infinity", "20 at 0", "30 at 1", "timer"]);
});

test("a call that fails is made again after growing delays, then the job fails with the record, or onError answers", async () => {
  for (const onError of [undefined, (n: number) => -n]) {
    const world = new TestWorld();
    const times: number[] = [];
    const options: AsyncOptions<number, number> = {
      retry: {
        attempts: 4,
        delay: "10 ms",
        backoff: 3,
        maxDelay: "50 ms",
        when: (error) => String(error) !== "Error: 2",
      },
      ...(onError === undefined ? {} : { onError }),
    };
    const out = collectSink<number>();
    const outcome = await world.run((env) => {
      env.fromSource("numbers", fromIterable([1, 2])).asyncMap("ask", (n, { attempt }) => {
        if (n === 1) times.push(world.clock.nowMs());
        throw new Error(n === 2 ? "2" : `call ${attempt}`);
      }, options).sinkTo("out", out);
    }, { restart: noRestart() });
    if (onError === undefined) {
      match(failureOf(outcome).message, /Operator "ask" failed at record \d+ of subtask 0: 2: 2/);
    } else {
      checkFinished(outcome);
      deepEqual(out.values, [-1, -2]);
      deepEqual(times.map((atMs) => atMs - times[0]!), [0, 10, 40, 90]);
    }
  }
});

test("a call that does not end in time fails the job, or onTimeout answers; its signal is aborted", async () => {
  for (const onTimeout of [undefined, (n: number) => -n]) {
    const world = new TestWorld();
    const service = new Service(world, (n) => n === 1 ? 1e6 : 1);
    const out = collectSink<number>();
    const outcome = await world.run((env) => {
      env.fromSource("numbers", fromIterable([1, 2]))
        .asyncMap("ask", service.ask, { timeout: "2 s", ...(onTimeout === undefined ? {} : { onTimeout }) })
        .sinkTo("out", out);
    }, { restart: noRestart() });
    if (onTimeout === undefined) {
      match(failureOf(outcome).message, /record .* 1: .*not ended within 2000 ms, call 1; raise timeout/);
    } else {
      checkFinished(outcome);
      deepEqual(out.values, [-1, 20]);
    }
    ok(service.aborted >= 1);
  }
});

test("an onError or onTimeout that returns a promise fails the job: the promise is no result", async () => {
  for (const name of ["onError", "onTimeout"] as const) {
    const out = collectSink<unknown>();
    const outcome = await new TestWorld().run((env) => {
      env.fromSource("numbers", fromIterable([1])).asyncMap<unknown>(
        "ask",
        () => name === "onError" ? Promise.reject(new Error("no")) : new Promise(() => {}),
        { timeout: "1 s", [name]: (n: number) => Promise.resolve(n) },
      ).sinkTo("out", out);
    }, { restart: noRestart() });
    match(
      failureOf(outcome).message,
      new RegExp(`${name}\\(\\) has returned a promise, it must return the result itself`),
    );
    deepEqual(out.values, []);
  }
});

test("a job that is cancelled aborts its calls", async () => {
  const world = new TestWorld();
  const service = new Service(world, () => 1e9);
  const process = await world.start((env) => {
    env.fromSource("numbers", fromIterable([1, 2, 3])).asyncMap("ask", service.ask).sinkTo("out", collectSink());
  });
  await process.forMs(50);
  equal(service.aborted, 0);
  process.job.cancel();
  await process.end();
  equal(service.aborted, 3);
});

test("options of asynchronous calls are checked, and delays grow to their limit", () => {
  const env = StreamEnvironment.create({ argv: [] });
  const numbers = env.fromSource("numbers", fromIterable([1]));
  throws(() => numbers.asyncMap("a", (n) => n, { capacity: 0 }), /capacity is 0, it must be an integer of at least 1/);
  throws(() => numbers.asyncMap("a", (n) => n, { timeout: "soon" }), /Cannot use "soon" as the timeout/);
  throws(() => numbers.asyncMap("a", (n) => n, { retry: { backoff: 0.5 } }), /retry.backoff is 0.5/);
  const settings = asyncSettings<number, number>({ retry: { delay: 100, backoff: 2, maxDelay: 500 } });
  deepEqual([1, 2, 3, 4].map((attempt) => delayBefore(settings, attempt)), [100, 200, 400, 500]);
});
