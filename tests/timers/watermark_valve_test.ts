import { deepEqual, equal, throws } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { MAX_WATERMARK, MIN_WATERMARK } from "../../core/element.ts";
import { WatermarkValve } from "../../timers/watermark_valve.ts";

test("WatermarkValve of one input gives out what comes in, unless it falls", () => {
  const valve = new WatermarkValve(1);
  equal(valve.watermark, MIN_WATERMARK);
  equal(valve.advance(0, 5), true);
  equal(valve.watermark, 5);
  equal(valve.advance(0, 5), false);
  equal(valve.advance(0, 4), false);
  equal(valve.advance(0, NaN), false);
  equal(valve.watermark, 5);
  equal(valve.advance(0, MAX_WATERMARK), true);
  equal(valve.watermark, MAX_WATERMARK);
});

test("WatermarkValve gives out the minimum, once all inputs have one", () => {
  const valve = new WatermarkValve(3);
  equal(valve.advance(0, 10), false);
  equal(valve.advance(1, 20), false);
  equal(valve.watermark, MIN_WATERMARK);
  equal(valve.advance(2, 15), true);
  equal(valve.watermark, 10);
  equal(valve.advance(2, 30), false);
  equal(valve.advance(0, 25), true);
  equal(valve.watermark, 20);
});

test("WatermarkValve does not wait for idle inputs, and ignores their watermarks", () => {
  const valve = new WatermarkValve(2);
  equal(valve.advance(0, 10), false);
  equal(valve.markIdle(1), true);
  equal(valve.watermark, 10);
  equal(valve.idle, false);
  equal(valve.isIdle(1), true);
  equal(valve.markIdle(1), false);
  equal(valve.advance(1, 50), false);
  equal(valve.advance(0, 20), true);
  equal(valve.watermark, 20);
});

test("WatermarkValve an input that is active again does not count until it has caught up", () => {
  const valve = new WatermarkValve(2);
  valve.advance(0, 10);
  valve.advance(1, 5);
  equal(valve.watermark, 5);
  equal(valve.markIdle(1), true);
  equal(valve.watermark, 10);
  valve.markActive(1);
  equal(valve.isIdle(1), false);
  equal(valve.advance(0, 12), true, "still behind: does not hold the other");
  equal(valve.advance(1, 8), false);
  equal(valve.watermark, 12);
  equal(valve.advance(1, 13), false, "caught up: counts from now on");
  equal(valve.advance(0, 20), true);
  equal(valve.watermark, 13);
});

test("WatermarkValve is idle when all inputs are, and then gives out the largest watermark", () => {
  const valve = new WatermarkValve(2);
  valve.advance(0, 10);
  valve.advance(1, 30);
  equal(valve.markIdle(1), false);
  equal(valve.idle, false);
  equal(valve.markIdle(0), true);
  equal(valve.idle, true);
  equal(valve.watermark, 30);
  valve.markActive(0);
  equal(valve.idle, false);
  equal(valve.advance(0, 29), false);
  equal(valve.advance(0, 31), true);
  equal(valve.watermark, 31);
});

test("WatermarkValve an input that has ended does not hold the others, all ended is the end", () => {
  const valve = new WatermarkValve(3);
  valve.advance(0, 10);
  valve.advance(1, 20);
  equal(valve.advance(2, MAX_WATERMARK), true);
  equal(valve.watermark, 10);
  equal(valve.advance(0, MAX_WATERMARK), true);
  equal(valve.watermark, 20);
  equal(valve.markIdle(1), false);
  equal(valve.idle, true);
  equal(valve.watermark, 20, "the end of some is not the end of those that are idle");
  valve.markActive(2);
  equal(valve.idle, true, "what has ended stays so");
  equal(valve.advance(1, MAX_WATERMARK), true, "an idle input may end");
  equal(valve.watermark, MAX_WATERMARK);
  equal(valve.idle, false);
});

test("WatermarkValve restore() goes on from a watermark", () => {
  const valve = new WatermarkValve(2);
  valve.restore(100);
  equal(valve.watermark, 100);
  equal(valve.advance(0, 90), false);
  equal(valve.advance(0, 120), false);
  equal(valve.advance(1, 110), true);
  equal(valve.watermark, 110);
});

test("WatermarkValve refuses a number of inputs that is none", () => {
  for (const count of [0, -1, 1.5, NaN]) throws(() => new WatermarkValve(count), { name: "RangeError" });
});

interface Input {
  watermarkMs: number;
  state: "counts" | "behind" | "idle" | "ended";
}

/** The rules, by walking all inputs each time. */
class Model {
  watermarkMs = MIN_WATERMARK;
  readonly inputs: Input[];

  constructor(count: number) {
    this.inputs = Array.from({ length: count }, () => ({ watermarkMs: MIN_WATERMARK, state: "counts" as const }));
  }

  settle(): void {
    for (const input of this.inputs) {
      if (input.state === "behind" && input.watermarkMs >= this.watermarkMs) input.state = "counts";
    }
    const of = (...states: string[]) => this.inputs.filter((input) => states.includes(input.state));
    const open = of("counts", "behind", "idle");
    let combined = MIN_WATERMARK;
    if (open.length === 0) combined = MAX_WATERMARK;
    else if (of("counts", "behind").length === 0) combined = Math.max(...open.map((input) => input.watermarkMs));
    else if (of("counts").length > 0) combined = Math.min(...of("counts").map((input) => input.watermarkMs));
    this.watermarkMs = Math.max(this.watermarkMs, combined);
  }

  get idle(): boolean {
    const open = this.inputs.filter((input) => input.state !== "ended");
    return open.length > 0 && open.every((input) => input.state === "idle");
  }
}

test("WatermarkValve agrees with the rules over any sequence of watermarks, idleness and ends", () => {
  const anyStep = fc.tuple(
    fc.nat({ max: 3 }),
    fc.oneof(
      { weight: 8, arbitrary: fc.integer({ min: -20, max: 60 }) },
      { weight: 2, arbitrary: fc.constant("idle" as const) },
      { weight: 2, arbitrary: fc.constant("active" as const) },
      { weight: 1, arbitrary: fc.constant(MAX_WATERMARK) },
    ),
  );
  fc.assert(fc.property(fc.integer({ min: 1, max: 4 }), fc.array(anyStep, { maxLength: 80 }), (count, steps) => {
    const valve = new WatermarkValve(count);
    const model = new Model(count);
    for (const [anyChannel, what] of steps) {
      const channel = anyChannel % count;
      const input = model.inputs[channel]!;
      const before = valve.watermark;
      let rose: boolean | undefined;
      if (what === "idle") {
        rose = valve.markIdle(channel);
        if (input.state !== "ended") input.state = "idle";
      } else if (what === "active") {
        valve.markActive(channel);
        if (input.state === "idle") input.state = "behind";
      } else {
        rose = valve.advance(channel, what);
        if (what === MAX_WATERMARK) input.state = "ended";
        else if (input.state !== "idle") input.watermarkMs = Math.max(input.watermarkMs, what);
      }
      model.settle();
      equal(valve.watermark, model.watermarkMs);
      equal(valve.idle, model.idle);
      deepEqual(rose ?? false, valve.watermark > before);
    }
  }));
});
