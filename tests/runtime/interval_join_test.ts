import { deepEqual, equal, match, throws } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  collectSink,
  fixedDelay,
  fromIterable,
  generator,
  outputTag,
  type Source,
  StreamEnvironment,
  watermarks,
} from "../../mod.ts";
import type { IntervalJoinOptions } from "../../two_streams.ts";
import { TestWorld } from "../support/job_harness.ts";
import { scaled } from "../support/scale.ts";

interface Timed {
  readonly key: number;
  readonly at: number;
  readonly id: number;
}

/** Each pair once, found by trying all. */
function pairs(firsts: readonly Timed[], seconds: readonly Timed[], lower: number, upper: number): string[] {
  return firsts.flatMap((a) =>
    seconds.filter((b) => a.key === b.key && b.at - a.at >= lower && b.at - a.at <= upper)
      .map((b) => `${a.id}-${b.id}@${Math.max(a.at, b.at)}`)
  ).toSorted();
}

interface Joined {
  readonly lower: number;
  readonly upper: number;
  readonly options?: IntervalJoinOptions<Timed, Timed>;
}

function join(
  env: StreamEnvironment,
  firsts: Source<Timed>,
  seconds: Source<Timed>,
  { lower, upper, options = {} }: Joined,
) {
  // Far out of order, so that nothing is late.
  const time = watermarks<Timed>(({ at }) => at).boundedOutOfOrderness(1_000);
  const a = env.fromSource("firsts", firsts, time).keyBy(({ key }) => key);
  const b = env.fromSource("seconds", seconds, time).keyBy(({ key }) => key);
  return a.intervalJoin(b).between(lower, upper, options).process<string>("join", (first, second, context) => {
    context.emit(`${first.id}-${second.id}@${context.timestampMs}`);
  });
}

const timed = fc.record({ key: fc.integer({ min: 0, max: 2 }), at: fc.integer({ min: 0, max: 60 }) });
const stream = fc.array(timed, { maxLength: 25 }).map((all) => all.map((one, id): Timed => ({ ...one, id })));

test("an interval join gives each pair within its bounds once, with the later time, whatever comes first", async () => {
  await fc.assert(
    fc.asyncProperty(
      stream,
      stream,
      fc.integer({ min: -30, max: 30 }),
      fc.nat(30),
      fc.constantFrom(1, 3),
      async (firsts, seconds, lower, width, parallelism) => {
        const world = new TestWorld({ "parallelism.default": parallelism });
        const out = collectSink<string>();
        const outcome = await world.run((env) =>
          join(env, fromIterable(firsts), fromIterable(seconds), { lower, upper: lower + width }).sinkTo("out", out)
        );
        if (outcome.kind === "failed") throw outcome.error;
        deepEqual(out.values.toSorted(), pairs(firsts, seconds, lower, lower + width));
      },
    ),
    { numRuns: scaled(40, 400) },
  );
});

for (const backend of ["hashmap", "lsm"]) {
  test(`an interval join is exactly once over failures, ${backend}`, async () => {
    const count = 200;
    const create = (index: number): Timed => ({ key: index % 5, at: index, id: index });
    const rows = Array.from({ length: count }, (_, index) => create(index));
    const world = new TestWorld({ "parallelism.default": 2, "state.backend.type": backend });
    const out = collectSink<string>();
    const failAt = new Set([20, 90, 170]);
    const outcome = await world.run((env) => {
      const source = () => generator<Timed>({ count, ratePerSecond: 1_000, create });
      join(env, source(), source(), { lower: -20, upper: 10 }).map((pair) => {
        if (failAt.delete(Number(pair.split("-")[0]))) throw new Error(pair);
        return pair;
      }).sinkTo("out", out);
    }, { restart: fixedDelay({ attempts: 5, delayMs: 1 }) });
    if (outcome.kind === "failed") throw outcome.error;
    equal(outcome.kind === "ended" && outcome.result.restarts, 3);
    deepEqual(out.values.toSorted(), pairs(rows, rows, -20, 10));
  });
}

test("bounds may be left out, and must be in order", async () => {
  const one = (at: number, id: number): Timed => ({ key: 0, at, id });
  const seconds = [one(0, 0), one(5, 1), one(10, 2)];
  for (
    const [lowerInclusive, upperInclusive, wanted] of [
      [true, true, "0-0@0,0-1@5,0-2@10"],
      [false, true, "0-1@5,0-2@10"],
      [true, false, "0-0@0,0-1@5"],
    ] as const
  ) {
    const out = collectSink<string>();
    await new TestWorld().run((env) =>
      join(env, fromIterable([one(0, 0)]), fromIterable(seconds), {
        lower: 0,
        upper: 10,
        options: { lowerInclusive, upperInclusive },
      }).sinkTo("out", out)
    );
    equal(out.values.toSorted().join(), wanted);
  }
  const env = StreamEnvironment.create({ argv: [] });
  const keyed = env.fromSource("a", fromIterable([one(0, 0)])).keyBy(({ key }) => key);
  throws(() => keyed.intervalJoin(keyed).between("1 s", 0), /no time lies between/);
  throws(() => keyed.intervalJoin(keyed).between("soon", 0), RangeError);
});

test("what comes behind the watermark goes to its side output, else it is counted and left out", async () => {
  const late = outputTag<Timed>("late");
  for (const options of [{}, { lateSecond: late }]) {
    const world = new TestWorld();
    const out = collectSink<string>();
    const lates = collectSink<number>();
    const process = await world.start((env) => {
      const time = watermarks<Timed>(({ at }) => at);
      const rows = [{ key: 0, at: 0, id: 0 }, { key: 0, at: 100, id: 1 }];
      const a = env.fromSource("a", fromIterable(rows), time).keyBy(({ key }) => key);
      const b = env.fromSource("b", fromIterable([rows[1]!, { key: 0, at: 10, id: 2 }]), time).keyBy(({ key }) => key);
      const joined = a.intervalJoin(b).between(-500, 500, options).process<string>("join", (first, second, context) => {
        context.emit(`${first.id}-${second.id}`);
      });
      joined.sinkTo("out", out);
      joined.sideOutput(late).map(({ id }) => id).sinkTo("lates", lates);
    });
    const outcome = await process.end();
    if (outcome.kind === "failed") throw outcome.error;
    deepEqual(out.values.toSorted(), ["0-1", "1-1"]);
    deepEqual(lates.values, "lateSecond" in options ? [2] : []);
  }
});

test("an interval join without event time says what is missing", async () => {
  const rows = fromIterable([{ key: 0, at: 0, id: 0 }]);
  const outcome = await new TestWorld().run((env) => {
    const keyed = env.fromSource("a", rows).keyBy(({ key }) => key);
    keyed.intervalJoin(keyed).between(0, 1).process("join", () => {}).sinkTo("out", collectSink());
  });
  match(String(outcome.kind === "failed" && outcome.error), /has no event time.*watermark strategy/s);
});
