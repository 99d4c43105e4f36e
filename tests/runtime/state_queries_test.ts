/** Asks running jobs what they know of a key, in virtual time. */
import { deepEqual, equal, match, notStrictEqual, ok, rejects } from "node:assert/strict";
import { test } from "node:test";
import {
  aggregatingState,
  callbackSink,
  fixedDelay,
  fromIterable,
  generator,
  type Job,
  KeyedActor,
  listState,
  mapState,
  reducingState,
  stateTtl,
  type StreamEnvironment,
  StreamError,
  valueState,
} from "../../mod.ts";
import { actorHarness } from "../../testing.ts";
import { BACKEND_KINDS, type BackendKind, HEAP } from "../support/backend_kinds.ts";
import { type TestProcess, TestWorld } from "../support/job_harness.ts";

const WITH_CHANGELOG: BackendKind = {
  name: "heap with changelog",
  options: { config: { ...HEAP.options.config, "state.changelog.enabled": true } },
};
const KINDS = [...BACKEND_KINDS, WITH_CHANGELOG];
const TIMEOUT = { timeout: 60_000 };
/** Numbers a second: each of the ten keys has one every 10 ms. */
const PER_SECOND = 1_000;
const KEYS = 10;

interface Sums {
  count: number;
  readonly seen: number[];
}

const LAST = valueState<{ n: number; tags: string[] }>("last");
const CALLS = valueState("calls", { default: 0 });
const ALL = listState<{ n: number }>("all");
const BY_PARITY = mapState<string, { n: number }>("by parity");
const LARGEST = reducingState<number>("largest", Math.max);
const TOTAL = aggregatingState<number, Sums, Sums>("total", {
  create: () => ({ count: 0, seen: [] }),
  add: ({ count, seen }, n) => ({ count: count + 1, seen: [...seen, n] }),
  result: (sums) => sums,
  merge: (left, right) => ({ count: left.count + right.count, seen: [...left.seen, ...right.seen] }),
});

class Observer extends KeyedActor<string, number, number> {
  readonly #last = this.state(LAST);
  readonly #calls = this.state(CALLS);
  readonly #all = this.state(ALL);
  readonly #byParity = this.state(BY_PARITY);
  readonly #largest = this.state(LARGEST);
  readonly #total = this.state(TOTAL);

  override onMessage(n: number): void {
    this.#last.update({ n, tags: [`t${n}`] });
    this.#calls.update(this.#calls.value() + 1);
    this.#all.add({ n });
    this.#byParity.set(n % 20 < 10 ? "even" : "odd", { n });
    this.#largest.add(n);
    this.#total.add(n);
    this.emit(n);
  }
}

const keyOf = (n: number) => `key ${n % KEYS}`;

function observed(env: StreamEnvironment): void {
  env.fromSource("numbers", generator({ create: (index) => index, ratePerSecond: PER_SECOND }))
    .keyBy(keyOf).actor("observer", () => new Observer()).sinkTo("out", callbackSink(() => {}));
}

/** Everything there is to know of a key, from one moment: without a turn of the event loop in between. */
async function everything(process: TestProcess, key: string) {
  const { job } = process;
  return await process.settled(Promise.all([
    job.query("observer", LAST, key),
    job.query("observer", CALLS, key),
    job.query("observer", ALL, key),
    job.query("observer", BY_PARITY, key),
    job.query("observer", LARGEST, key),
    job.query("observer", TOTAL, key),
  ]));
}

for (const parallelism of [1, 3]) {
  for (const backend of KINDS) {
    test(
      `query() copies state of each kind of a running job, ${backend.name}, parallelism ${parallelism}`,
      TIMEOUT,
      async () => {
        const config = {
          "parallelism.default": parallelism,
          "pipeline.max-parallelism": 12,
          ...backend.options.config,
        };
        const process = await new TestWorld().start(observed, { ...backend.options, config });
        await process.until(() => process.job.progress().recordsIn >= 200);
        for (let digit = 0; digit < KEYS; digit++) {
          const key = `key ${digit}`;
          const [last, calls, all, byParity, largest, total] = await everything(process, key);
          const seen = Array.from({ length: calls }, (_, index) => digit + index * KEYS);
          ok(calls >= 15, `${calls}`);
          // Several subtasks of the source are ahead of one another.
          const isOrdered = parallelism === 1;
          const inOrder = (numbers: readonly number[]) => isOrdered ? numbers : numbers.toSorted((a, b) => a - b);
          if (isOrdered) deepEqual(last, { n: seen.at(-1), tags: [`t${seen.at(-1)}`] });
          else equal(last!.tags[0], `t${last!.n}`);
          deepEqual(inOrder(all.map(({ n }) => n)), seen);
          deepEqual([...byParity.keys()].sort(), ["even", "odd"]);
          if (isOrdered) deepEqual([...byParity.values()].map(({ n }) => n).sort((a, b) => a - b), seen.slice(-2));
          equal(largest, seen.at(-1));
          deepEqual({ count: total!.count, seen: inOrder(total!.seen) }, { count: calls, seen });
        }
        deepEqual(await everything(process, "nobody"), [null, 0, [], new Map(), null, null]);
        process.job.cancel();
        await process.end();
      },
    );
  }
}

test("query() gives copies, which the caller may change", TIMEOUT, async () => {
  const process = await new TestWorld().start(observed, HEAP.options);
  await process.until(() => process.job.progress().recordsIn >= 50);
  const [last, , all, byParity, , total] = await everything(process, "key 1");
  const before = structuredClone({ all, total });
  last!.tags.push("mine");
  all[0]!.n = -1;
  byParity.get("odd")!.n = -1;
  total!.seen.length = 0;
  const [lastAfter, , allAfter, byParityAfter, , totalAfter] = await everything(process, "key 1");
  ok(!lastAfter!.tags.includes("mine"));
  deepEqual(allAfter.slice(0, all.length), before.all);
  notStrictEqual(byParityAfter.get("odd")!.n, -1);
  deepEqual(totalAfter!.seen.slice(0, before.total!.seen.length), before.total!.seen);
  process.job.cancel();
  await process.end();
});

const MORTAL = { ttl: stateTtl({ time: 300, update: "on-read-and-write" }) };
const MORTAL_LAST = valueState<{ n: number }>("mortal last", MORTAL);
const MORTAL_ALL = listState<number>("mortal all", MORTAL);
const MORTAL_MAP = mapState<number, number>("mortal map", MORTAL);
const MORTAL_LARGEST = reducingState<number>("mortal largest", Math.max, MORTAL);
const MORTAL_COUNT = aggregatingState<number, number, number>("mortal count", {
  create: () => 0,
  add: (count) => count + 1,
  result: (count) => count,
  merge: (left, right) => left + right,
}, MORTAL);

class Forgetful extends KeyedActor<string, number, number> {
  readonly #last = this.state(MORTAL_LAST);
  readonly #all = this.state(MORTAL_ALL);
  readonly #map = this.state(MORTAL_MAP);
  readonly #largest = this.state(MORTAL_LARGEST);
  readonly #count = this.state(MORTAL_COUNT);

  override onMessage(n: number): void {
    if (n > 0) return;
    this.#last.update({ n });
    this.#all.add(n);
    this.#map.set(n, n);
    this.#largest.add(n);
    this.#count.add(n);
  }
}

for (const backend of KINDS) {
  test(`query() neither shows what is over nor lengthens a life, ${backend.name}`, TIMEOUT, async () => {
    const process = await new TestWorld({ "execution.checkpointing.interval": 40 }).start((env) => {
      env.fromSource("numbers", generator({ create: (index) => index, ratePerSecond: 100 }))
        .keyBy(() => "all").actor("forgetful", () => new Forgetful()).sinkTo("out", callbackSink(() => {}));
    }, backend.options);
    await process.until(() => process.job.progress().recordsIn >= 1);
    const { job, clock } = process;
    const ask = () =>
      process.settled(Promise.all([
        job.query("forgetful", MORTAL_LAST, "all"),
        job.query("forgetful", MORTAL_ALL, "all"),
        job.query("forgetful", MORTAL_MAP, "all"),
        job.query("forgetful", MORTAL_LARGEST, "all"),
        job.query("forgetful", MORTAL_COUNT, "all"),
      ]));
    const writtenMs = clock.nowMs();
    for (let elapsedMs = 0; elapsedMs <= 200; elapsedMs += 50) {
      deepEqual(await ask(), [{ n: 0 }, [0], new Map([[0, 0]]), 0, 1], `${elapsedMs}`);
      await process.forMs(50);
    }
    await process.forMs(Math.max(0, writtenMs + 301 - clock.nowMs()));
    deepEqual(await ask(), [null, [], new Map(), null, null]);
    job.cancel();
    await process.end();
  });
}

async function refusal(job: Job, ...query: Parameters<Job["query"]>): Promise<StreamError> {
  try {
    await job.query(...query);
  } catch (error) {
    ok(error instanceof StreamError, `${error}`);
    return error;
  }
  throw new Error("nothing was refused");
}

test("query() says what is wrong", TIMEOUT, async () => {
  const process = await new TestWorld().start(observed);
  const { job } = process;
  const early = await refusal(job, "observer", LAST, "key 1");
  equal(early.kind, "unavailable");
  match(early.message, /^Cannot query "test": it is starting, it must be running; try again later/);
  await process.until(() => job.progress().recordsIn >= 10);
  const unknown = refusal(job, "observers", LAST, "key 1");
  match(
    (await unknown).message,
    /^Cannot query "observers": no step of that name has keyed state, those that have are "observer"/,
  );
  match((await refusal(job, "out", LAST, "key 1")).message, /no step of that name has keyed state/);
  const absent = process.settled(refusal(job, "observer", valueState("lasst"), "key 1"));
  match((await absent).message, /^Cannot query state "lasst" of "observer": it has "last", "calls", "all"/);
  const other = await process.settled(refusal(job, "observer", listState("last"), "key 1"));
  match(other.message, /^Cannot query state "last" of "observer" as list state: it is value state/);
  equal(other.kind, "invalid");
  // A script without types may ask for anything.
  await rejects(job.query("observer", LAST, {} as string), TypeError);
  job.cancel();
  await process.end();
  match((await refusal(job, "observer", LAST, "key 1")).message, /^Cannot query "test": it has ended \(cancelled\)/);
});

test("query() is refused when its attempt fails before it is answered", TIMEOUT, async () => {
  let job: Job | null = null;
  let asked: Promise<unknown> | null = null;
  const process = await new TestWorld().start((env) => {
    env.fromSource("numbers", generator({ create: (index) => index, ratePerSecond: PER_SECOND }))
      .map((n) => {
        if (n < 100 || asked !== null || job?.status().state !== "running") return n;
        asked = job.query("observer", CALLS, "key 1");
        asked.catch(() => {});
        throw new Error("not yet");
      })
      .keyBy(keyOf).actor("observer", () => new Observer()).sinkTo("out", callbackSink(() => {}));
  }, { restart: fixedDelay({ attempts: 1, delayMs: 50 }) });
  job = process.job;
  await process.until(() => job!.status().state === "restarting");
  await rejects(asked!, /^StreamError: Cannot query state: the job has ended, or starts again; try again later/);
  await process.until(() => job!.status().state === "running");
  ok(await process.settled(job.query("observer", CALLS, "key 1")) >= 0);
  job.cancel();
  await process.end();
});

test("query() settles until the end of a bounded job", TIMEOUT, async () => {
  const process = await new TestWorld().start((env) => {
    env.fromSource("numbers", fromIterable(Array.from({ length: 5_000 }, (_, index) => index)))
      .keyBy(keyOf).actor("observer", () => new Observer()).sinkTo("out", callbackSink(() => {}));
  });
  const answers: Promise<unknown>[] = [];
  await process.until(() => {
    const query = process.job.query("observer", CALLS, "key 1");
    query.catch(() => {});
    answers.push(query);
    return process.outcome !== null;
  });
  const settled = await process.settled(Promise.allSettled(answers));
  const counts = settled.flatMap((one) => one.status === "fulfilled" ? Number(one.value) : []);
  deepEqual(counts, counts.toSorted((left, right) => left - right));
  ok(counts.every((count) => count >= 0 && count <= 500), counts.join());
  for (const one of settled) if (one.status === "rejected") ok(one.reason instanceof StreamError);
});

test("query() has the entries of a map whose value is null", async () => {
  const chosen = [
    mapState<string, number | null>("choices"),
    mapState<string, number | null>("choices", { ttl: "1 h" }),
  ];
  for (const choices of chosen) {
    class Choices extends KeyedActor<string, string, never> {
      readonly #choices = this.state(choices);

      override onMessage(name: string): void {
        this.#choices.set(name, null).set("b", 2);
      }
    }
    for (const backend of ["heap", "lsm"] as const) {
      await using harness = await actorHarness(() => new Choices(), { backend });
      harness.send("ann", "a");
      deepEqual(harness.state(choices, "ann"), new Map<string, number | null>([["a", null], ["b", 2]]), backend);
    }
  }
});
