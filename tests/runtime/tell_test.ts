import { deepEqual, equal, match, ok, throws } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  actorRef,
  type CollectSink,
  collectSink,
  emits,
  fixedDelay,
  fromIterable,
  generator,
  KeyedActor,
  noRestart,
  type StreamEnvironment,
  valueState,
} from "../../mod.ts";
import { checkFinished, failureOf, TestWorld } from "../support/job_harness.ts";
import { scaled } from "../support/scale.ts";

const FROM_LATEST = ["--from", "latest"];
const ACCOUNTS = 11;
const TRANSFERS = 300;

interface Transfer {
  readonly from: number;
  readonly to: number;
  readonly amount: number;
}

interface Deposit {
  readonly deposit: number;
}

const accounts = actorRef<number, Deposit>("accounts");

/** Takes an amount from its own balance and tells the other account of it; at the end of time it says what it has. */
class Account extends KeyedActor<number, Transfer | Deposit, string> {
  readonly #balance = this.state(valueState<number>("balance", { default: 0 }));

  constructor(private readonly onMessageOf: (message: Transfer | Deposit) => void) {
    super();
  }

  override onMessage(message: Transfer | Deposit): void {
    this.onMessageOf(message);
    if ("deposit" in message) {
      this.#balance.update(this.#balance.value() + message.deposit);
    } else {
      this.#balance.update(this.#balance.value() - message.amount);
      this.tell(accounts, message.to, { deposit: message.amount });
    }
    this.timers.registerEventTime(1_000_000);
  }

  override onTimer(): void {
    this.emit(`${this.key} ${this.#balance.value()}`);
  }
}

function transferAt(index: number): Transfer {
  return { from: index % ACCOUNTS, to: (index * 7 + 3) % ACCOUNTS, amount: (index % 13) + 1 };
}

/** The last balance that each account has told. */
function balances(values: readonly string[]): Map<number, number> {
  return new Map(values.map((value) => value.split(" ").map(Number) as [number, number]));
}

const EXPECTED = new Map<number, number>();
for (let index = 0; index < TRANSFERS; index++) {
  const { from, to, amount } = transferAt(index);
  EXPECTED.set(from, (EXPECTED.get(from) ?? 0) - amount);
  EXPECTED.set(to, (EXPECTED.get(to) ?? 0) + amount);
}

function bank(env: StreamEnvironment, out: CollectSink<string>, onMessage: (m: Transfer | Deposit) => void = () => {}) {
  env.fromSource("transfers", generator({ count: TRANSFERS, ratePerSecond: 1_000, create: transferAt }))
    .keyBy(({ from }) => from)
    .actor("accounts", () => new Account(onMessage), { tells: [accounts] })
    .sinkTo("out", out);
}

for (const parallelism of [1, 3]) {
  for (const backend of ["hashmap", "lsm"]) {
    test(`what actors tell each other is processed exactly once over failures, parallelism ${parallelism}, ${backend}`, async () => {
      const world = new TestWorld({ "parallelism.default": parallelism, "state.backend.type": backend });
      const out = collectSink<string>();
      let count = 0;
      const failAt = new Set([100, 250, 400, 550]);
      const outcome = await world.run((env) =>
        bank(env, out, () => {
          if (failAt.delete(++count)) throw new Error(`message ${count}`);
        }), { restart: fixedDelay({ attempts: 10, delayMs: 1 }) });
      checkFinished(outcome);
      equal(outcome.kind === "ended" && outcome.result.restarts, 4);
      deepEqual(
        [...balances(out.values)].toSorted((a, b) => a[0] - b[0]),
        [...EXPECTED].toSorted((a, b) => a[0] - b[0]),
      );
    });
  }
}

test("messages in flight go with a rescale, whatever process they were told in", async () => {
  const world = new TestWorld();
  const out = collectSink<string>();
  for (const parallelism of [1, 3, 2]) {
    const process = await world.start((env) => bank(env, out), {
      config: { "parallelism.default": parallelism },
      argv: parallelism === 1 ? [] : FROM_LATEST,
    });
    await process.forMs(70);
    process.kill();
  }
  checkFinished(await world.run((env) => bank(env, out), { config: { "parallelism.default": 4 }, argv: FROM_LATEST }));
  deepEqual([...balances(out.values)].toSorted((a, b) => a[0] - b[0]), [...EXPECTED].toSorted((a, b) => a[0] - b[0]));
});

/** Each message tells `fan` others with one hop less; counts all per key. */
class Hops extends KeyedActor<number, number, string> {
  readonly #seen = this.state(valueState<number>("seen", { default: 0 }));

  constructor(private readonly fan: number, private readonly keys: number, private readonly target: string) {
    super();
  }

  override onMessage(hops: number): void {
    this.#seen.update(this.#seen.value() + 1);
    for (let i = 0; hops > 0 && i < this.fan; i++) this.tell(this.target, (this.key * 5 + i + 1) % this.keys, hops - 1);
    this.emit(`${this.key}`);
  }
}

test("a web of messages between two actors, with failures and checkpoints anywhere, loses and doubles none: a model", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 3 }),
      fc.integer({ min: 1, max: 2 }),
      fc.integer({ min: 1, max: 5 }),
      fc.array(fc.integer({ min: 5, max: 400 }), { maxLength: 4 }),
      fc.integer({ min: 1, max: 30 }),
      async (parallelism, fan, hops, failures, interval) => {
        const world = new TestWorld({
          "parallelism.default": parallelism,
          "execution.checkpointing.interval": interval,
        });
        const starts = 40;
        const out = collectSink<string>();
        const failAt = new Set(failures);
        let count = 0;
        const outcome = await world.run((env) => {
          const fail = (key: string): string => {
            if (failAt.delete(++count)) throw new Error(`record ${count}`);
            return key;
          };
          const source = env.fromSource("starts", generator({ count: starts, ratePerSecond: 1_000, create: (n) => n }));
          const keyed = source.map(() => hops).keyBy((_) => 0);
          const first = keyed.actor("first", () => new Hops(fan, 7, "second"), { tells: ["second"] }).map(fail);
          const nobody = source.filter(() => false).map(() => 0).keyBy((n) => n);
          const second = nobody.actor("second", () => new Hops(fan, 7, "first"), { tells: ["first"] }).map(fail);
          first.union(second).sinkTo("out", out);
        }, { restart: fixedDelay({ attempts: 10, delayMs: 1 }) });
        checkFinished(outcome);
        let messages = starts;
        let all = 0;
        for (let hop = hops; hop >= 0; hop--) {
          all += messages;
          messages *= fan;
        }
        equal(out.values.length, all);
      },
    ),
    { numRuns: scaled(25, 300) },
  );
});

test("messages of one sender to one key keep their order", async () => {
  const world = new TestWorld({ "parallelism.default": 2 });
  const out = collectSink<string>();
  checkFinished(
    await world.run((env) => {
      const log = env.fromSource("nothing", fromIterable<{ n: number }>([])).keyBy(() => "log").process("log", {
        emits: emits<string>(),
        onMessage: ({ n }, context) => context.emit(String(n)),
      });
      log.sinkTo("out", out);
      env.fromSource("numbers", fromIterable(Array.from({ length: 2_000 }, (_, n) => n))).keyBy(() => "a").process(
        "tells",
        {
          tells: ["log"],
          onMessage: (n, context) => context.tell("log", "log", { n }),
        },
      ).sinkTo("none", collectSink());
    }),
  );
  deepEqual(out.values, Array.from({ length: 2_000 }, (_, n) => String(n)));
});

test("a message that is told for later comes when its time has come, also after a restart; at the end it is dropped", async () => {
  const world = new TestWorld();
  const out = collectSink<string>();
  const build = (env: StreamEnvironment): void => {
    env.fromSource("ticks", generator({ ratePerSecond: 10, create: (n) => n })).keyBy(() => "k").process("later", {
      emits: emits<string>(),
      tells: ["later"],
      onMessage(n, context) {
        if (n === 0) context.tellAfter("2 s", "later", "k", -1);
        if (n < 0) context.emit(`${n} at ${context.timers.currentProcessingTime()}`);
      },
    }).sinkTo("out", out);
  };
  const first = await world.start(build);
  await first.forMs(500);
  deepEqual(out.values, []);
  first.kill();
  const second = await world.start(build, { argv: FROM_LATEST });
  await second.forMs(1_000);
  deepEqual(out.values, []);
  await second.forMs(2_000);
  equal(out.values.length, 1);
  match(out.values[0]!, /^-1 at 2\d\d\d$/);
  second.kill();
  const bounded = new TestWorld();
  checkFinished(
    await bounded.run((env) =>
      env.fromSource("once", fromIterable([1])).keyBy(() => "k").process("later", {
        tells: ["later"],
        onMessage: (_, context) => context.tellAfter("1 h", "later", "k", 2),
      }).sinkTo("out", collectSink())
    ),
  );
});

test("a message for later is never lost in silence when nobody tells the actor any more", async () => {
  const world = new TestWorld();
  const build = (tells: readonly string[]) => (env: StreamEnvironment): void => {
    env.fromSource("ticks", generator({ ratePerSecond: 10, create: (n) => n })).keyBy(() => "k").process("later", {
      tells,
      onMessage(n, context) {
        if (n === 0) context.tellAfter("2 s", "later", "k", -1);
      },
    }).sinkTo("out", collectSink());
  };
  const first = await world.start(build(["later"]));
  await first.forMs(500);
  first.kill();
  const outcome = await world.run(build([]), { argv: FROM_LATEST, restart: noRestart() });
  match(failureOf(outcome).message, /Cannot deliver what "later" was told for later: .* name it among the tells/);
});

test("an endless loop of messages holds up neither records, nor checkpoints, nor the cancellation", async () => {
  const world = new TestWorld();
  let records = 0;
  const process = await world.start((env) => {
    env.fromSource("numbers", fromIterable(Array.from({ length: 500 }, (_, n) => n))).keyBy(() => 0).process("loop", {
      tells: ["loop"],
      onMessage(n, context) {
        if (n > 0) records++;
        if (n <= 0) context.tell("loop", 0, n - 1);
      },
    }).sinkTo("out", collectSink());
  });
  // Time stands still, as there is always something to do.
  await process.until(() => records === 499);
  const checkpoint = process.job.triggerCheckpoint("full");
  await process.until(() => process.job.progress().checkpointsCompleted > 0);
  ok((await checkpoint).metadata.checkpointId > 0);
  process.job.cancel();
  await process.end();
});

test("a flood fails with who floods whom, and never waits", async () => {
  const outcome = await new TestWorld({ "pipeline.max-messages-in-flight": 100 }).run((env) => {
    env.fromSource("one", fromIterable([1])).keyBy(() => 0).process("flood", {
      tells: ["flood"],
      onMessage(n, context) {
        for (let i = 0; i < 8; i++) context.tell("flood", 0, n);
      },
    }).sinkTo("out", collectSink());
  }, { restart: noRestart() });
  match(
    failureOf(outcome).message,
    /Cannot tell "flood" anything more from "flood": 100 messages wait.*raise pipeline.max-messages-in-flight/,
  );
});

test("whom an actor tells is checked: the name, the declaration, the moment, the message", async () => {
  const run = (build: (env: StreamEnvironment) => void) => new TestWorld().run(build, { restart: noRestart() });
  const one = (env: StreamEnvironment) =>
    env.fromSource("one", generator({ ratePerSecond: 10, count: 5, create: (n) => n })).keyBy(() => 0);
  const rejected = async (build: (env: StreamEnvironment) => void): Promise<string> => {
    try {
      return failureOf(await run(build)).message;
    } catch (error) {
      return String(error);
    }
  };
  match(
    await rejected((env) => one(env).process("a", { tells: ["b"], onMessage: () => {} }).sinkTo("out", collectSink())),
    /"a" tells "b", and nothing in the pipeline has that name/,
  );
  match(
    await rejected((env) =>
      one(env).process("a", { tells: ["out"], onMessage: () => {} }).sinkTo("out", collectSink())
    ),
    /"a" tells "out", and that is no actor and no keyed step/,
  );
  match(
    await rejected((env) =>
      one(env).process("a", { onMessage: (_, context) => context.tell("a", 0, 1) }).sinkTo("out", collectSink())
    ),
    /Cannot tell "a" from "a": it is not among those that it tells; name it where the step is added/,
  );
  match(
    await rejected((env) =>
      one(env).process("a", { tells: ["a"], onMessage: (_, context) => context.tell("a", 0, null) })
        .sinkTo("out", collectSink())
    ),
    /Cannot tell "a" null from "a": a message must be a value/,
  );
  match(
    await rejected((env) =>
      one(env).process("a", {
        tells: ["a"],
        onMessage: (_, context) => void Promise.resolve().then(() => context.tell("a", 0, 1)),
      }).sinkTo("out", collectSink())
    ),
    /Cannot tell "a" from "a": no message and no timer is in hand/,
  );
  throws(() => actorRef(""), TypeError);
  ok(actorRef("a").name === "a");
});
