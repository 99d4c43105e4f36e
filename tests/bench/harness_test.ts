import { deepEqual, equal, match, rejects, throws } from "node:assert/strict";
import { test } from "node:test";
import { bench, type BenchOptions, measure, median, registeredBenches, seededRandom } from "../../bench/harness.ts";

interface Size {
  readonly ops: number;
}

const SIZES = { smoke: { ops: 10 }, full: { ops: 1000 } };

/** Runs that say how long they took, from a list. */
function timed(times: readonly number[], figure?: string): BenchOptions<Size>["run"] {
  let run = 0;
  return ({ ops }) => {
    const elapsedMs = times[run++ % times.length] ?? 0;
    return figure === undefined ? { ops, elapsedMs } : { ops, elapsedMs, figures: { [figure]: elapsedMs } };
  };
}

test("measure() in full size warms up, then reports medians of both sides and their ratio", async () => {
  const subject = timed([9999, 10, 20, 40, 80, 160], "pauseMs");
  const baseline = timed([9999, 20, 20, 20, 20, 20]);
  const result = await measure("a/b", { ...SIZES, run: subject, baseline, against: "bare loop" }, "full");
  equal(result.ops, 1000);
  equal(result.opsPerSecond, 25_000);
  equal(result.baseline, "bare loop");
  equal(result.baselineOpsPerSecond, 50_000);
  equal(result.ratio, 0.5);
  deepEqual(result.figures, { pauseMs: 40 });
});

test("measure() in smoke size runs once, with the smoke parameters and without a warm-up", async () => {
  const seen: number[] = [];
  const run = ({ ops }: Size) => {
    seen.push(ops);
    return Promise.resolve({ ops, elapsedMs: 5 });
  };
  const result = await measure("a/b", { ...SIZES, run }, "smoke");
  deepEqual(seen, [10]);
  equal(result.opsPerSecond, 2000);
  equal("baseline" in result || "ratio" in result || "figures" in result, false);
});

test("measure() lets subject and baseline take turns, also at going first, with equal random numbers", async () => {
  const order: string[] = [];
  const numbers = new Set<number>();
  const side = (name: string): BenchOptions<Size>["run"] => ({ ops }, random) => {
    order.push(name);
    numbers.add(random());
    return { ops, elapsedMs: 1, checksum: "same" };
  };
  await measure("a/b", { ...SIZES, rounds: 3, run: side("s"), baseline: side("b") }, "full");
  equal(order.join(""), "sb" + "bs" + "sb" + "bs");
  equal(numbers.size, 1);
});

test("measure() refuses to compare two sides whose checksums differ", async () => {
  const side = (checksum: number): BenchOptions<Size>["run"] => ({ ops }) => ({ ops, checksum, elapsedMs: 1 });
  const differing = measure("a/b", { ...SIZES, run: side(1), baseline: side(2) }, "smoke");
  await rejects(differing, (error: Error) => {
    match(error.message, /Cannot compare bench "a\/b".*checksums are 1 and 2/);
    return true;
  });
});

test("bench() refuses a taken name and one that is no path", () => {
  const options = { ...SIZES, run: timed([1]) };
  bench("harness_test/registered", options);
  equal(registeredBenches().some(({ name }) => name === "harness_test/registered"), true);
  throws(() => bench("harness_test/registered", options), /the name is taken/);
  throws(() => bench("Some bench", options), /subject\/operation\/backend\/distribution/);
});

test("median() is the middle, or the mean of the two in the middle", () => {
  equal(median([3, 1, 2]), 2);
  equal(median([4, 1, 2, 3]), 2.5);
  equal(median([]), Number.NaN);
});

test("seededRandom() repeats for a seed, differs for another, stays in [0, 1) and fills it evenly", () => {
  const draw = (seed: number) => Array.from({ length: 10_000 }, seededRandom(seed));
  const numbers = draw(1);
  deepEqual(numbers, draw(1));
  equal(numbers[0] === draw(2)[0], false);
  const tenths = new Array<number>(10).fill(0);
  for (const number of numbers) tenths[Math.floor(number * 10)]! += 1;
  equal(tenths.length, 10);
  equal(tenths.every((count) => count > 850 && count < 1150), true, String(tenths));
});
