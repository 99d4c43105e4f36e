/** Whole jobs whose state has a time to live, in virtual time. */
import { deepEqual, equal, match, ok } from "node:assert/strict";
import { test } from "node:test";
import {
  aggregatingState,
  type CollectSink,
  collectSink,
  emits,
  generator,
  KeyedActor,
  listState,
  mapState,
  reducingState,
  stateTtl,
  StreamError,
  valueState,
} from "../../mod.ts";
import { BACKEND_KINDS, HEAP, LMDB, LSM } from "../support/backend_kinds.ts";
import { type Build, checkFinished, TestWorld } from "../support/job_harness.ts";
import { parallel } from "../support/ledger_runs.ts";

const TIMEOUT = { timeout: 60_000 };
const SETTINGS = { "execution.checkpointing.interval": 50, "pipeline.max-parallelism": 12 };
/** A record each 10 ms: of "rare" every second, of four others at least each 50 ms. */
const PER_SECOND = 100;
const RECORDS = 300;
/** Between the two. */
const TTL_MS = 300;

const source = () =>
  generator({
    count: RECORDS,
    ratePerSecond: PER_SECOND,
    create: (index) => index % PER_SECOND === 0 ? "rare" : `often-${index % 4}`,
  });

const sum = (left: number, right: number) => left + right;
const COUNT = { create: () => 0, add: sum, result: (count: number) => count, merge: sum };

/** Counts in a state of each kind, all of which forget at the same time. */
class Visits extends KeyedActor<string, string, string> {
  readonly #value = this.state(valueState<number>("value", { default: 0, ttl: TTL_MS }));
  readonly #list = this.state(listState<string>("list", { ttl: TTL_MS }));
  readonly #map = this.state(mapState<string, number>("map", { ttl: "300 ms" }));
  readonly #reducing = this.state(reducingState<number>("reducing", sum, { ttl: stateTtl({ time: TTL_MS }) }));
  readonly #aggregating = this.state(aggregatingState("aggregating", COUNT, { ttl: TTL_MS }));
  readonly #lasting = this.state(valueState<number>("lasting", { default: 0 }));

  override onMessage(who: string): void {
    this.#value.update(this.#value.value() + 1);
    this.#list.add(who);
    this.#map.set("count", (this.#map.get("count") ?? 0) + 1);
    this.#reducing.add(1);
    this.#aggregating.add(1);
    this.#lasting.update(this.#lasting.value() + 1);
    const count = this.#value.value();
    deepEqual([this.#map.get("count"), this.#reducing.get(), this.#aggregating.get()], [count, count, count]);
    ok(this.#list.get().length <= TTL_MS / 10);
    this.emit(`${who} ${this.#lasting.value()} ${count}`);
  }
}

function visits(out: CollectSink<string>): Build {
  return (env) => {
    env.fromSource("visitors", source()).keyBy((who) => who).actor("visits", () => new Visits()).sinkTo("seen", out);
  };
}

for (const backend of BACKEND_KINDS) {
  test(
    `${backend.name}: an actor forgets whom it has not seen for a while, and nobody else [91] [97] [98] [107]`,
    TIMEOUT,
    async () => {
      const world = new TestWorld(SETTINGS);
      const out = collectSink<string>();
      checkFinished(await world.run(visits(out), backend.options), backend.name);
      const lines = out.values.map((line) => line.split(" "));
      equal(lines.length, RECORDS);
      for (const [who, visit, count] of lines) equal(count, who === "rare" ? "1" : visit, `visit ${visit} of ${who}`);
      equal(world.fileSystem.openCount, 0);
    },
  );
}

/** Counts each visit under a short and a long time to live. */
function countings(out: CollectSink<string>): Build {
  return (env) => {
    env.fromSource("visitors", source()).keyBy((who) => who).process("counting", {
      emits: emits<string>(),
      state: {
        short: valueState<number>("short", { default: 0, ttl: TTL_MS }),
        long: valueState<number>("long", { default: 0, ttl: "1 h" }),
      },
      onMessage(who, context) {
        const { short, long } = context.state;
        for (const count of [short, long]) count.update(count.value() + 1);
        context.emit(`${who} ${short.value()} ${long.value()}`);
      },
    }).sinkTo("counted", out);
  };
}

for (const [before, after] of [[HEAP, LSM], [LSM, HEAP], [LMDB, LMDB], [HEAP, HEAP]] as const) {
  for (const format of ["canonical", "native"] as const) {
    test(
      `from ${before.name} to ${after.name} by a ${format} savepoint, at another parallelism: stamps go along [100] [101]`,
      TIMEOUT,
      async () => {
        const world = new TestWorld({ ...SETTINGS, "execution.checkpointing.savepoint-dir": "/savepoints" });
        const out = collectSink<string>();
        const run = (parallelism: number, argv: readonly string[] = [], backend = before) => ({
          ...backend.options,
          argv,
          config: { ...backend.options.config, ...parallel(parallelism) },
        });
        const process = await world.start(countings(out), run(1));
        await process.until(() => process.job.progress().recordsIn >= RECORDS / 2);
        const { path } = await process.settled(process.job.stopWithSavepoint({ format }));
        await process.end();
        const seen = out.values.length;
        world.clock.advance(2 * TTL_MS);
        checkFinished(await world.run(countings(out), run(2, ["--from", path], after)), after.name);
        const counts = new Map<string, { long: number; short: number }>();
        for (const [i, line] of out.values.entries()) {
          const [who, short, long] = line.split(" ");
          const last = counts.get(who!) ?? { long: 0, short: 0 };
          equal(Number(long), last.long + 1, "nothing of what lives is lost");
          if (i < seen && who !== "rare") equal(short, long);
          counts.set(who!, { long: last.long + 1, short: Number(short) });
        }
        for (const [who, { long, short }] of counts) {
          if (who === "rare") equal(short, 1);
          else ok(short < long && short > 10, `${who} was forgotten once: ${short} of ${long}`);
        }
      },
    );
  }
}

test("a state with a time to live and one without cannot have one name", TIMEOUT, async () => {
  class Both extends KeyedActor<string, string, string> {
    readonly mortal = this.state(valueState<number>("count", { ttl: 1 }));
    readonly lasting = this.state(valueState<number>("count"));
    override onMessage(): void {}
  }
  const build: Build = (env) => {
    env.fromSource("visitors", source()).keyBy((who) => who).actor("both", () => new Both())
      .sinkTo("nothing", collectSink<string>());
  };
  const outcome = await new TestWorld(SETTINGS).run(build, HEAP.options);
  ok(outcome.kind === "failed" && outcome.error instanceof StreamError, outcome.kind);
  match(outcome.error.message, /"count" with a time to live and without one/);
});
