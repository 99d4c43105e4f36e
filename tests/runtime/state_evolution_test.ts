/** Whole jobs whose state has another shape than the checkpoint that they go on from. */
import { deepEqual, equal, match } from "node:assert/strict";
import { test } from "node:test";
import {
  aggregatingState,
  type CollectSink,
  collectSink,
  f64,
  generator,
  KeyedActor,
  listState,
  mapState,
  reducingState,
  valueState,
  watermarks,
} from "../../mod.ts";
import { BACKEND_KINDS, HEAP, LSM } from "../support/backend_kinds.ts";
import { type Build, checkFinished, failureOf, type ProcessOptions, TestWorld } from "../support/job_harness.ts";
import { parallel } from "../support/ledger_runs.ts";

/** Each split of the generator has all records of its keys, so that they come in order at any parallelism. */
const KEYS = 64;
const ROUNDS = 20;
const RECORDS = KEYS * ROUNDS;
const END_MS = 1_000_000;
const LATEST = ["--from", "latest"];
const TIMEOUT = { timeout: 60_000 };

interface Sale {
  readonly shop: string;
  readonly amount: number;
}

/** What each shop tells at the end: sum, amounts, amounts by parity, sum again, mean. */
function told(): string[] {
  return Array.from({ length: KEYS }, (_, shop) => {
    const amounts = Array.from({ length: ROUNDS }, (_, round) => shop + round);
    const sum = amounts.reduce((a, b) => a + b, 0);
    const last = (parity: number) => amounts.findLast((amount) => amount % 2 === parity);
    return JSON.stringify([`s${shop}`, sum, amounts, last(0), last(1), sum, sum / ROUNDS]);
  }).sort();
}

/** The first program: everything is a number. */
class Totals extends KeyedActor<string, Sale, string> {
  readonly #total = this.state(valueState<number>("total", { default: 0, serializer: f64 }));
  readonly #amounts = this.state(listState<number>("amounts"));
  readonly #parity = this.state(mapState<number, number>("parity"));
  readonly #sum = this.state(reducingState<number>("sum", (left, right) => left + right));
  readonly #mean = this.state(aggregatingState<number, [number, number], number>("mean", {
    create: () => [0, 0],
    add: ([sum, count], amount) => [sum + amount, count + 1],
    result: ([sum, count]) => sum / count,
    merge: ([a, b], [c, d]) => [a + c, b + d],
  }));

  override onMessage({ amount }: Sale): void {
    this.#total.update(this.#total.value() + amount);
    this.#amounts.add(amount);
    this.#parity.set(amount % 2, amount);
    this.#sum.add(amount);
    this.#mean.add(amount);
    this.timers.registerEventTime(END_MS);
  }

  override onTimer(): void {
    const { key } = this;
    const parity = [this.#parity.get(0), this.#parity.get(1)];
    this.emit(
      JSON.stringify([key, this.#total.value(), this.#amounts.get(), ...parity, this.#sum.get(), this.#mean.get()]),
    );
  }
}

type Amount = { amount: number };
const toAmount = (old: unknown): Amount => ({ amount: Number(old) });

/** The second program: everything is an object. */
class TotalsOfObjects extends KeyedActor<string, Sale, string> {
  readonly #total = this.state(valueState("total", { version: 2, default: { amount: 0 }, migrate: toAmount }));
  readonly #amounts = this.state(listState("amounts", { version: 2, migrate: toAmount }));
  readonly #parity = this.state(mapState<number, Amount>("parity", { version: 2, migrate: toAmount }));
  readonly #sum = this.state(
    reducingState<Amount>("sum", (left, right) => ({ amount: left.amount + right.amount }), {
      version: 2,
      migrate: toAmount,
    }),
  );
  readonly #mean = this.state(aggregatingState("mean", {
    create: () => ({ sum: 0, count: 0 }),
    add: ({ sum, count }, amount: number) => ({ sum: sum + amount, count: count + 1 }),
    result: ({ sum, count }) => sum / count,
    merge: (left, right) => ({ sum: left.sum + right.sum, count: left.count + right.count }),
  }, {
    version: 3,
    migrate: (old) => {
      const [sum, count] = old as [number, number]; // as version 1 has it
      return { sum, count };
    },
  }));

  override onMessage({ amount }: Sale): void {
    this.#total.update({ amount: this.#total.value().amount + amount });
    this.#amounts.add({ amount });
    this.#parity.set(amount % 2, { amount });
    this.#sum.add({ amount });
    this.#mean.add(amount);
    this.timers.registerEventTime(END_MS);
  }

  override onTimer(): void {
    const { key } = this;
    const parity = [this.#parity.get(0)?.amount, this.#parity.get(1)?.amount];
    const amounts = this.#amounts.get().map(({ amount }) => amount);
    this.emit(
      JSON.stringify([key, this.#total.value().amount, amounts, ...parity, this.#sum.get()?.amount, this.#mean.get()]),
    );
  }
}

function pipeline(out: CollectSink<string>, make: () => KeyedActor<string, Sale, string>): Build {
  const source = generator<Sale>({
    count: RECORDS,
    ratePerSecond: 4_000,
    create: (index) => ({ shop: `s${index % KEYS}`, amount: (index % KEYS) + Math.floor(index / KEYS) }),
  });
  // All is late by less than this: only the end of the input fires the timers.
  const eventTime = watermarks(({ amount }: Sale) => amount).boundedOutOfOrderness(END_MS);
  return (env) => {
    env.fromSource("sales", source, eventTime).keyBy(({ shop }) => shop).actor("totals", make).sinkTo("told", out);
  };
}

/** Runs a program until it has read so many records, and stops it. */
async function stopAfter(world: TestWorld, build: Build, records: number, options: ProcessOptions): Promise<void> {
  const process = await world.start(build, options);
  await process.until(() => process.job.progress().recordsIn >= records);
  process.job.stop();
  const outcome = await process.end();
  if (outcome.kind === "failed") throw outcome.error;
  equal(outcome.kind === "ended" && outcome.result.state, "stopped");
  await process.forMs(50);
}

const SETTINGS = { "execution.checkpointing.interval": 50, "pipeline.max-parallelism": 12 };

for (const backend of BACKEND_KINDS) {
  for (const incremental of [true, false]) {
    const how = incremental ? "increments" : "full checkpoints";
    test(
      `${backend.name}: an old job's state is migrated by a new one, which ends as if it had run alone, ${how} [77] [87]`,
      TIMEOUT,
      async () => {
        const world = new TestWorld({ ...SETTINGS, "execution.checkpointing.incremental": incremental });
        const out = collectSink<string>();
        const run = (parallelism: number, argv: readonly string[]): ProcessOptions => ({
          ...backend.options,
          argv,
          config: { ...backend.options.config, ...parallel(parallelism) },
        });
        await stopAfter(world, pipeline(out, () => new Totals()), RECORDS / 4, run(2, []));
        await stopAfter(world, pipeline(out, () => new TotalsOfObjects()), RECORDS / 4, run(3, LATEST));
        checkFinished(await world.run(pipeline(out, () => new TotalsOfObjects()), run(2, LATEST)), backend.name);
        deepEqual([...out.values].sort(), told());
        equal(world.fileSystem.openCount, 0);
      },
    );
  }
}

for (const backend of [HEAP, LSM]) {
  test(
    `${backend.name}: a migration that fails, or that nobody has declared, ends the start; the checkpoint stays [79]`,
    TIMEOUT,
    async () => {
      const world = new TestWorld(SETTINGS);
      const out = collectSink<string>();
      await stopAfter(world, pipeline(out, () => new Totals()), RECORDS / 4, backend.options);
      const next = { ...backend.options, argv: LATEST };
      const files = () => world.fileSystem.files("/checkpoints").map((path) => [path, world.fileSystem.content(path)]);
      const before = files();

      abstract class Silent extends KeyedActor<string, Sale, string> {
        override onMessage(): void {}
      }
      class Undeclared extends Silent {
        readonly total = this.state(valueState<Amount>("total", { version: 2 }));
      }
      class Throwing extends Silent {
        readonly amounts = this.state(listState<Amount>("amounts", {
          version: 2,
          migrate: (old) => {
            if (old === 17) throw new Error("17 is no amount");
            return toAmount(old);
          },
        }));
      }
      const undeclared = failureOf(await world.run(pipeline(out, () => new Undeclared()), next));
      equal(undeclared.kind, "invalid");
      match(
        undeclared.message,
        /state "total" of operator "totals" with serializer "auto" version 1, schema version 2/,
      );
      match(undeclared.message, /"f64" version 1, schema version 1, for which no migrate\(\) is declared/);
      const throwing = failureOf(await world.run(pipeline(out, () => new Throwing()), next));
      equal(throwing.kind, "invalid");
      match(
        throwing.message,
        /Cannot migrate state "amounts" of operator "totals" at key "s\d+" from serializer "auto"/,
      );
      match(throwing.message, /has failed with "17 is no amount"; the snapshot is as it was/);
      deepEqual(files(), before);
      checkFinished(await world.run(pipeline(out, () => new TotalsOfObjects()), next), "with the right migrate()");
      deepEqual([...out.values].sort(), told());
    },
  );
}
