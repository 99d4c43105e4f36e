/** What users' tests can do with one actor. */
import { deepEqual, equal, match, ok, rejects, throws } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  actorRef,
  aggregatingState,
  emits,
  type Key,
  KeyedActor,
  listState,
  mapState,
  MAX_WATERMARK,
  NO_TIMESTAMP,
  outputTag,
  reducingState,
  StreamError,
  type TimeDomain,
  valueState,
} from "../../../mod.ts";
import { type ActorHarness, actorHarness, type HarnessBackend, type HarnessSnapshot } from "../../../testing.ts";

const TIMEOUT = { timeout: 60_000 };
const BACKENDS: readonly HarnessBackend[] = ["heap", "lsm"];

const COUNT = valueState("count", { default: 0 });
const SEEN = listState<{ n: number }>("seen");
const BY_N = mapState<number, string>("by n");
const SUM = reducingState<number>("sum", (left, right) => left + right);
const MEAN = aggregatingState<number, [number, number], number>("mean", {
  create: () => [0, 0],
  add: ([sum, count], n) => [sum + n, count + 1],
  result: ([sum, count]) => sum / count,
  merge: (left, right) => [left[0] + right[0], left[1] + right[1]],
});
const ODD = outputTag<number>("odd");

/** Counts, and says after 10 ms of event time and 100 ms of the wall clock how far it has come. */
class Counter extends KeyedActor<string, number, string> {
  readonly #count = this.state(COUNT);
  readonly #seen = this.state(SEEN);
  readonly #byN = this.state(BY_N);
  readonly #sum = this.state(SUM);
  readonly #mean = this.state(MEAN);

  override onMessage(n: number): void {
    if (n < 0) throw new Error(`${n} is negative`);
    this.#count.update(this.#count.value() + 1);
    this.#seen.add({ n });
    this.#byN.set(n, `n${n}`);
    this.#sum.add(n);
    this.#mean.add(n);
    if (n % 2 === 1) this.emitTo(ODD, n);
    if (this.timestampMs > NO_TIMESTAMP) this.timers.registerEventTime(this.timestampMs + 10);
    this.timers.registerProcessingTime(this.timers.currentProcessingTime() + 100);
    this.emit(`${this.key} ${n}`);
  }

  override onTimer(timestampMs: number, domain: TimeDomain): void {
    this.emit(`${this.key} ${domain} ${timestampMs}: ${this.#count.value()}`);
  }
}

for (const backend of BACKENDS) {
  test(`an actor in a harness gets messages, event time and wall clock, ${backend}`, TIMEOUT, async () => {
    await using harness = await actorHarness(() => new Counter(), { backend, startMs: 1_000 });
    harness.send("a", 1, 5);
    harness.send("b", 2);
    deepEqual(harness.outputs, [{ value: "a 1", timestampMs: 5 }, { value: "b 2", timestampMs: NO_TIMESTAMP }]);
    deepEqual(harness.takeValues(), ["a 1", "b 2"]);
    deepEqual(harness.outputs, []);
    deepEqual(harness.sideOutput(ODD), [{ value: 1, timestampMs: 5 }]);
    deepEqual(harness.takeSideOutput(ODD), [{ value: 1, timestampMs: 5 }]);
    deepEqual(harness.sideOutput(ODD), []);
    deepEqual(harness.sideOutput(outputTag("none")), []);

    harness.watermark(14);
    deepEqual(harness.takeOutputs(), []);
    harness.watermark(15);
    deepEqual(harness.takeOutputs(), [{ value: "a event 15: 1", timestampMs: 15 }]);

    harness.advanceTime(99);
    deepEqual([harness.nowMs, harness.takeValues()], [1_099, []]);
    harness.advanceTime(1);
    deepEqual(harness.takeValues().sort(), ["a processing 1100: 1", "b processing 1100: 1"]);

    harness.send("a", 7, 20);
    harness.watermark(MAX_WATERMARK);
    deepEqual(harness.takeValues(), ["a 7", "a event 30: 2"]);
    throws(() => harness.advanceTime(-1), RangeError);
  });

  test(`state of each kind can be read, as a copy, ${backend}`, TIMEOUT, async () => {
    await using harness = await actorHarness(() => new Counter(), { backend });
    for (const n of [1, 2, 6]) harness.send("a", n);
    const count: number = harness.state(COUNT, "a");
    const seen: { n: number }[] = harness.state(SEEN, "a");
    const byN: Map<number, string> = harness.state(BY_N, "a");
    const sum: number | null = harness.state(SUM, "a");
    const mean: number | null = harness.state(MEAN, "a");
    deepEqual({ count, seen, byN, sum, mean }, {
      count: 3,
      seen: [{ n: 1 }, { n: 2 }, { n: 6 }],
      byN: new Map([[1, "n1"], [2, "n2"], [6, "n6"]]),
      sum: 9,
      mean: 3,
    });
    seen[0]!.n = 8;
    deepEqual(harness.state(SEEN, "a")[0], { n: 1 });
    deepEqual([harness.state(COUNT, "b"), harness.state(SEEN, "b"), harness.state(SUM, "b")], [0, [], null]);
    throws(() => harness.state(valueState("other"), "a"), /Cannot query state "other" of "actor": it has "count"/);
  });

  test(`a snapshot goes on in another harness, whatever its backend, from ${backend}`, TIMEOUT, async () => {
    await using first = await actorHarness(() => new Counter(), { backend });
    first.send("a", 1, 5);
    first.watermark(10);
    const snapshot = await first.snapshot();
    first.send("a", 3, 6);
    equal(first.state(COUNT, "a"), 2);
    for (const other of BACKENDS) {
      await using second = await actorHarness(() => new Counter(), { backend: other, restore: snapshot });
      equal(second.state(COUNT, "a"), 1);
      deepEqual(second.state(SEEN, "a"), [{ n: 1 }]);
      second.watermark(15);
      second.advanceTime(100);
      deepEqual(second.takeValues(), ["a event 15: 1", "a processing 100: 1"]);
    }
  });
}

test("errors of an actor come out of send, and so do keys that are none or another subtask's", TIMEOUT, async () => {
  await using harness = await actorHarness(() => new Counter(), { name: "counter", parallelism: 2, subtaskIndex: 1 });
  const keys = Array.from({ length: 20 }, (_, index) => `key ${index}`);
  const own = keys.filter((key) => {
    try {
      harness.send(key, 2);
      return true;
    } catch (error) {
      ok(error instanceof RangeError);
      match(
        error.message,
        /^Cannot send to "key \d+": it is in key group \d+, subtask 1 of 2 has 64 to 127; use another/,
      );
      return false;
    }
  });
  ok(own.length > 0 && own.length < keys.length, `${own}`);
  throws(() => harness.send(own[0]!, -1), (error: StreamError) => {
    ok(error instanceof StreamError);
    match(error.message, /counter/);
    match(String(error.cause), /-1 is negative/);
    return true;
  });
  // A script without types may send anything.
  throws(() => harness.send({} as string, 1), TypeError);
  equal(harness.state(COUNT, own[0]!), 1);
});

test("an actor that goes on behind the back of the harness is found out by the next call", TIMEOUT, async () => {
  class Hasty extends KeyedActor<string, Promise<void>, string> {
    override onMessage(later: Promise<void>): void {
      later.then(() => this.emit("too late"));
    }
  }
  const harness = await actorHarness(() => new Hasty());
  harness.send("a", Promise.resolve());
  await Promise.resolve();
  await Promise.resolve();
  throws(() => harness.watermark(1), /between|no message|in hand/);
  await harness.close();
});

test("onOpen and onClose are called, and may wait", TIMEOUT, async () => {
  const calls: string[] = [];
  class Careful extends KeyedActor<string, number> {
    override async onOpen(): Promise<void> {
      await Promise.resolve();
      calls.push("open");
    }
    override onMessage(): void {
      calls.push("message");
    }
    override async onClose(): Promise<void> {
      await Promise.resolve();
      calls.push("close");
    }
  }
  {
    await using harness = await actorHarness(() => new Careful());
    harness.send("a", 1);
  }
  deepEqual(calls, ["open", "message", "close"]);
  class Failing extends Careful {
    override onOpen(): Promise<void> {
      return Promise.reject(new Error("no connection"));
    }
  }
  await rejects(actorHarness(() => new Failing()), /no connection/);
});

test("what an actor tells others can be looked at, and only what it declares", TIMEOUT, async () => {
  const accounts = actorRef<string, { deposit: number }>("accounts");
  class Till extends KeyedActor<string, number> {
    override onMessage(amount: number): void {
      this.tell(accounts, `${this.key}'s`, { deposit: amount });
      this.tellAfter("1 s", "audit", "all", amount);
    }
  }
  await using harness = await actorHarness(() => new Till(), { tells: [accounts, "audit"], startMs: 50 });
  harness.send("ann", 3, 7);
  const expected = [
    { actor: "accounts", key: "ann's", message: { deposit: 3 }, timestampMs: 7, dueMs: null },
    { actor: "audit", key: "all", message: 3, timestampMs: 7, dueMs: 1_050 },
  ];
  deepEqual(harness.told, expected);
  deepEqual(harness.takeTold(), expected);
  deepEqual(harness.told, []);
  const snapshot = await harness.snapshot();
  harness.watermark(MAX_WATERMARK);
  await using other = await actorHarness(() => new Till(), { tells: [accounts], restore: snapshot });
  throws(() => other.send("ann", 3), /audit/);
  await using silent = await actorHarness(() => new Till());
  throws(() => silent.send("ann", 3), /it is not among those that it tells/);
});

test("a keyed step runs as an actor does", TIMEOUT, async () => {
  const step = {
    emits: emits<string>(),
    state: { count: COUNT },
    tells: ["log"],
    onMessage(n: number, context: Parameters<Step["onMessage"]>[1]) {
      context.state.count.update(context.state.count.value() + n);
      context.timers.registerEventTime(10);
      context.tell("log", "all", n);
    },
    onTimer(_timestampMs: number, context: Parameters<Step["onMessage"]>[1]) {
      context.emit(`${context.key} ${context.state.count.value()}`);
    },
  } satisfies Step;
  await using harness = await actorHarness<string, number, string, { count: typeof COUNT }>(step);
  harness.send("a", 2);
  harness.send("a", 3);
  harness.watermark(10);
  deepEqual(harness.takeValues(), ["a 5"]);
  deepEqual(harness.takeTold().map(({ message }) => message), [2, 3]);
  equal(harness.state(COUNT, "a"), 5);
});

type Step = import("../../../mod.ts").KeyedProcessFunction<string, number, string, { count: typeof COUNT }>;

async function counters(parallelism: number, backend: HarnessBackend, restore?: readonly HarnessSnapshot[]) {
  const maxParallelism = 12;
  const options = { parallelism, maxParallelism, backend, ...(restore === undefined ? {} : { restore }) };
  const made = Array.from(
    { length: parallelism },
    (_, subtaskIndex) => actorHarness(() => new Counter(), { ...options, subtaskIndex }),
  );
  return await Promise.all(made);
}

/** Sends to whichever owns the key. */
function sendTo<K extends Key, I, O>(harnesses: readonly ActorHarness<K, I, O>[], key: K, message: I): void {
  const owners = harnesses.filter((harness) => {
    try {
      harness.send(key, message);
      return true;
    } catch (error) {
      if (error instanceof RangeError) return false;
      throw error;
    }
  });
  equal(owners.length, 1);
}

test("snapshots of several subtasks go on with another parallelism", TIMEOUT, async () => {
  const parallelism = fc.integer({ min: 1, max: 4 });
  const backend = fc.constantFrom(...BACKENDS);
  const messages = fc.array(fc.tuple(fc.integer({ min: 0, max: 8 }), fc.nat(9)), { maxLength: 30 });
  const property = fc.asyncProperty(
    fc.array(fc.record({ parallelism, backend, messages }), { minLength: 2, maxLength: 3 }),
    async (stages) => {
      const counts = new Map<string, number>();
      let snapshots: HarnessSnapshot[] | undefined;
      for (const stage of stages) {
        const harnesses = await counters(stage.parallelism, stage.backend, snapshots);
        for (const [index, n] of stage.messages) {
          const key = `key ${index}`;
          sendTo(harnesses, key, n);
          counts.set(key, (counts.get(key) ?? 0) + 1);
        }
        snapshots = await Promise.all(harnesses.map((harness) => harness.snapshot()));
        for (const harness of harnesses) await harness.close();
      }
      const [all] = await counters(1, "heap", snapshots);
      for (const [key, count] of counts) equal(all!.state(COUNT, key), count, key);
      await all!.close();
    },
  );
  await fc.assert(property, { numRuns: 15 });
});

test("a snapshot of another number of key groups is refused", TIMEOUT, async () => {
  await using harness = await actorHarness(() => new Counter(), { maxParallelism: 16 });
  const restore = await harness.snapshot();
  await rejects(actorHarness(() => new Counter(), { maxParallelism: 32, restore }), /16 key groups into 32/);
  await using restored = await actorHarness(() => new Counter(), { restore });
  equal(restored.state(COUNT, "a"), 0);
});
