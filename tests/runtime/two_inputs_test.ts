import { deepEqual, equal, match, throws } from "node:assert/strict";
import { test } from "node:test";
import {
  broadcastState,
  CoActor,
  type CollectSink,
  collectSink,
  emits,
  fixedDelay,
  fromIterable,
  generator,
  noRestart,
  reducingState,
  type Source,
  type StreamEnvironment,
  valueState,
  watermarks,
} from "../../mod.ts";
import { checkFinished, TestWorld } from "../support/job_harness.ts";

const FROM_LATEST = ["--from", "latest"];
const KEYS = 7;
const COUNT = 300;

interface Item {
  readonly key: string;
  readonly n: number;
}

function items(): Source<Item> {
  return generator({
    count: COUNT,
    ratePerSecond: 1_000,
    create: (index) => ({ key: `k${index % KEYS}`, n: index }),
  });
}

/** Counts what each key gets of both streams, and sets a timer at the end of time that tells both counts. */
class Both extends CoActor<string, Item, Item, string> {
  readonly #first = this.state(valueState<number>("first", { default: 0 }));
  readonly #second = this.state(valueState<number>("second", { default: 0 }));

  constructor(private readonly onRecord: (n: number) => void) {
    super();
  }

  override onFirst({ n }: Item): void {
    this.onRecord(n);
    this.#first.update(this.#first.value() + n);
    this.timers.registerEventTime(1_000_000);
  }

  override onSecond({ n }: Item): void {
    this.#second.update(this.#second.value() + 1);
    this.onRecord(n);
  }

  override onTimer(): void {
    this.emit(`${this.key} ${this.#first.value()} ${this.#second.value()}`);
  }
}

const BOTH_SUMS = Array.from({ length: KEYS }, (_, key) => {
  const own = Array.from({ length: COUNT }, (_, n) => n).filter((n) => n % KEYS === key);
  return `k${key} ${own.reduce((sum, n) => sum + n, 0)} ${own.length}`;
});

function both(env: StreamEnvironment, out: CollectSink<string>, onRecord: (n: number) => void): void {
  const first = env.fromSource("first", items()).keyBy(({ key }) => key);
  const second = env.fromSource("second", items()).keyBy(({ key }) => key);
  first.connect(second).actor("both", () => new Both(onRecord)).sinkTo("out", out);
}

for (const parallelism of [1, 3]) {
  for (const backend of ["hashmap", "lsm"]) {
    test(`an actor hears two streams, exactly once over failures, parallelism ${parallelism}, ${backend}`, async () => {
      const world = new TestWorld({ "parallelism.default": parallelism, "state.backend.type": backend });
      const out = collectSink<string>();
      const failAt = new Set([40, 110, 190, 280]);
      const onRecord = (n: number) => {
        if (failAt.delete(n)) throw new Error(`record ${n}`);
      };
      const outcome = await world.run((env) => both(env, out, onRecord), {
        restart: fixedDelay({ attempts: 10, delayMs: 1 }),
      });
      checkFinished(outcome);
      equal(outcome.kind === "ended" && outcome.result.restarts, 4);
      deepEqual(out.values.toSorted(), BOTH_SUMS);
    });
  }
}

test("two streams into one actor are rescaled with its state", async () => {
  const world = new TestWorld();
  const out = collectSink<string>();
  for (const parallelism of [2, 3]) {
    const process = await world.start((env) => both(env, out, () => {}), {
      config: { "parallelism.default": parallelism },
      argv: parallelism === 2 ? [] : FROM_LATEST,
    });
    await process.forMs(100);
    process.kill();
  }
  const last = { config: { "parallelism.default": 1 }, argv: FROM_LATEST };
  checkFinished(await world.run((env) => both(env, out, () => {}), last));
  deepEqual(out.values.toSorted(), BOTH_SUMS);
});

test("event time of two streams is the lower of both", async () => {
  const world = new TestWorld();
  const seen: string[] = [];
  const timed = watermarks<Item>(({ n }) => n);
  await world.run((env) => {
    const slow = env.fromSource("slow", fromIterable([{ key: "a", n: 5 }]), timed).keyBy(({ key }) => key);
    const fast = env.fromSource("fast", fromIterable([{ key: "a", n: 90 }]), timed).keyBy(({ key }) => key);
    slow.connect(fast).process("times", {
      onFirst: ({ n }, { timers }) => void (seen.push(`first ${n}`), timers.registerEventTime(50)),
      onSecond: ({ n }) => void seen.push(`second ${n}`),
      onTimer: (timestampMs, { timers }) => void seen.push(`timer ${timestampMs} ${timers.currentWatermark > 5}`),
    }).sinkTo("out", collectSink());
  });
  deepEqual(seen.toSorted(), ["first 5", "second 90", "timer 50 true"]);
  equal(seen.at(-1), "timer 50 true");
});

test("map and flatMap have a function for each stream, and side outputs and chains go on from there", async () => {
  const world = new TestWorld({ "parallelism.default": 2 });
  const out = collectSink<string>();
  checkFinished(
    await world.run((env) => {
      const numbers = env.fromSource("numbers", fromIterable([1, 2]));
      const words = env.fromSource("words", fromIterable(["a", "b"]));
      const mapped = numbers.connect(words).map((n) => `n${n}`, (word) => `w${word}`);
      mapped.connect(numbers).flatMap((text) => [text, text], () => []).map((text) => text + "!").sinkTo("out", out);
    }),
  );
  deepEqual(out.values.toSorted(), ["n1!", "n1!", "n2!", "n2!", "wa!", "wa!", "wb!", "wb!"]);
});

/** Values below the limit that the rules say; per key the number of those that passed. */
function limited(env: StreamEnvironment, out: CollectSink<string>, rules: Source<[string, number]>): void {
  const limits = env.fromSource("rules", rules).broadcast();
  env.fromSource("items", items()).keyBy(({ key }) => key).connect(limits).process("limit", {
    emits: emits<string>(),
    state: { passed: valueState<number>("passed", { default: 0 }) },
    broadcast: { limits: broadcastState<string, number>("limits") },
    onMessage({ n }, context) {
      const { passed } = context.state;
      if (n < (context.broadcast.limits.get("limit") ?? COUNT)) passed.update(passed.value() + 1);
      context.timers.registerEventTime(1_000_000);
    },
    onBroadcast: ([name, limit], { broadcast }) => void broadcast.limits.set(name, limit),
    onTimer: (_time, context) =>
      context.emit(`${context.key} ${context.state.passed.value()} ${context.broadcast.limits.get("limit")}`),
  }).sinkTo("out", out);
}

for (const parallelism of [1, 3]) {
  test(`a broadcast stream tells every subtask, and its maps are in checkpoints, parallelism ${parallelism} [233]`, async () => {
    const world = new TestWorld({ "parallelism.default": parallelism });
    const out = collectSink<string>();
    const rules = () => fromIterable([["limit", 0] as [string, number]]);
    const first = await world.start((env) => limited(env, out, rules()));
    await first.forMs(100);
    first.kill();
    // The rule was read before: only the checkpoint has it.
    checkFinished(
      await world.run((env) => limited(env, out, rules()), {
        argv: FROM_LATEST,
        config: { "parallelism.default": 4 - parallelism },
      }),
    );
    const limits = out.values.map((text) => text.split(" ")[2]);
    deepEqual(limits, Array.from({ length: KEYS }, () => "0"));
  });
}

test("a map of the broadcast stream cannot be changed by the other side", async () => {
  const world = new TestWorld();
  const outcome = await world.run((env) => {
    const rules = env.fromSource("rules", fromIterable(["x"])).broadcast();
    env.fromSource("items", fromIterable([1])).connect(rules).processBroadcast("cheat", {
      broadcast: { rules: broadcastState<string, number>("rules") },
      // @ts-expect-error The side that reads has no set().
      onMessage: (n, { broadcast }) => void broadcast.rules.set("n", n),
      onBroadcast: () => {},
    }).sinkTo("out", collectSink());
  });
  match(
    String(outcome.kind === "failed" && outcome.error),
    /Cannot change state "rules" of "cheat" here: only values of the broadcast stream may/,
  );
});

test("the broadcast side sees the state of every key of its subtask", async () => {
  const world = new TestWorld();
  const out = collectSink<string>();
  const total = valueState<number>("total", { default: 0 });
  const rows = Array.from({ length: 10 }, (_, n) => ({ key: `k${n % 3}`, n }));
  checkFinished(
    await world.run((env) => {
      const ends = env.fromSource("ends", generator({ count: 1, ratePerSecond: 2, create: () => "end" })).broadcast();
      env.fromSource("items", fromIterable(rows)).keyBy(({ key }) => key).connect(ends).process("totals", {
        emits: emits<string>(),
        state: { total },
        broadcast: {},
        onMessage: ({ n }, { state }) => state.total.update(state.total.value() + n),
        onBroadcast: (_end, context) =>
          context.applyToKeyedState(total, (key, state) => {
            context.emit(`${key} ${state.value()}`);
            state.clear();
          }),
      }).sinkTo("out", out);
    }),
  );
  deepEqual(out.values.toSorted(), ["k0 18", "k1 12", "k2 15"]);
});

test("the broadcast side sees state with a time to live, also on disk", async () => {
  for (const backend of ["hashmap", "lsm"]) {
    const world = new TestWorld({ "state.backend.type": backend });
    const out = collectSink<string>();
    const seen = valueState<number>("seen", { default: 0, ttl: "1 h" });
    const totals = reducingState<number>("total", (left, right) => left + right, { ttl: "1 h" });
    checkFinished(
      await world.run((env) => {
        const ends = env.fromSource("ends", generator({ count: 1, ratePerSecond: 2, create: () => "end" })).broadcast();
        env.fromSource("items", fromIterable([1, 2, 3])).keyBy((n) => n % 2).connect(ends).process("totals", {
          emits: emits<string>(),
          state: { seen, totals },
          broadcast: {},
          onMessage(n, { state }) {
            state.seen.update(state.seen.value() + 1);
            state.totals.add(n);
          },
          onBroadcast(_end, context) {
            context.applyToKeyedState(seen, (key, state) => context.emit(`${key} seen ${state.value()}`));
            context.applyToKeyedState(totals, (key, state) => context.emit(`${key} total ${state.get()}`));
          },
        }).sinkTo("out", out);
      }),
    );
    deepEqual(out.values.toSorted(), ["0 seen 1", "0 total 2", "1 seen 2", "1 total 4"]);
  }
});

test("what throws in the second input names the operator and the record", async () => {
  const world = new TestWorld();
  const outcome = await world.run((env) => {
    const a = env.fromSource("a", fromIterable([1]));
    a.connect(env.fromSource("b", fromIterable(["bad"]))).process("both", {
      onFirst: () => {},
      onSecond: (text) => {
        throw new Error(`no ${text}`);
      },
    }).sinkTo("out", collectSink());
  }, { restart: noRestart() });
  match(String(outcome.kind === "failed" && outcome.error), /Operator "both" failed at record .*"bad": no bad/);
  throws(() => broadcastState(""), TypeError);
});
