import { deepEqual, equal, throws } from "node:assert/strict";
import { test } from "node:test";
import {
  noWatermarks,
  type WatermarkGenerator,
  type WatermarkOutput,
  watermarks,
  type WatermarkStrategy,
} from "../../timers/watermarks.ts";
import { ManualClock } from "../support/manual_clock.ts";

interface Event {
  readonly at: number;
}

/** Keeps what a generator says. */
class Output implements WatermarkOutput {
  said: (number | "idle" | "active")[] = [];
  emitWatermark(watermarkMs: number): void {
    this.said.push(watermarkMs);
  }
  markIdle(): void {
    this.said.push("idle");
  }
  markActive(): void {
    this.said.push("active");
  }
  take(): (number | "idle" | "active")[] {
    return this.said.splice(0);
  }
}

const byField = watermarks((event: Event) => event.at);

function emitted(strategy: WatermarkStrategy<Event>, timestamps: readonly number[]): (number | string)[] {
  const output = new Output();
  const generator = strategy.createGenerator(new ManualClock());
  for (const at of timestamps) generator.onEvent({ at }, strategy.timestampOf({ at }, -Infinity), output);
  generator.onPeriodicEmit(output);
  return output.take();
}

test("watermarks() monotonous emits the largest timestamp - 1 with each record that raises it, and so without a choice", () => {
  deepEqual(emitted(byField.monotonous(), [10, 10, 12, 11, -5, 13]), [9, 11, 12]);
  deepEqual(emitted(byField, [10, 12]), [9, 11]);
});

test("watermarks() boundedOutOfOrderness stays the bound behind", () => {
  deepEqual(emitted(byField.boundedOutOfOrderness(5), [10, 9, 20, 14]), [4, 14]);
  for (const bound of [-1, NaN, Infinity]) {
    throws(() => byField.boundedOutOfOrderness(bound), { name: "RangeError", message: /current value is/ });
  }
});

test("watermarks() a restored generator emits what the undisturbed one would", () => {
  const strategy = byField.boundedOutOfOrderness(5);
  const before = strategy.createGenerator(new ManualClock());
  equal(before.snapshot(), -Infinity);
  const output = new Output();
  for (const at of [10, 30, 20]) before.onEvent({ at }, at, output);
  equal(before.snapshot(), 30);
  const after = strategy.createGenerator(new ManualClock());
  after.restore(before.snapshot());
  output.take();
  for (const at of [25, 30, 31]) after.onEvent({ at }, at, output);
  deepEqual(output.take(), [25]);
});

test("watermarks() custom makes one generator for each subtask, with its periodic hook and its state", () => {
  class EverySecond implements WatermarkGenerator<Event> {
    count = 0;
    onEvent(_event: Event, timestampMs: number, output: WatermarkOutput): void {
      if (++this.count % 2 === 0) output.emitWatermark(timestampMs);
    }
    onPeriodicEmit(output: WatermarkOutput): void {
      output.emitWatermark(this.count * 1_000);
    }
    snapshot(): number {
      return this.count;
    }
    restore(state: number): void {
      this.count = state;
    }
  }
  const strategy = byField.custom(() => new EverySecond());
  deepEqual(emitted(strategy, [1, 2, 3]), [2, 3_000]);
  const generator = strategy.createGenerator(new ManualClock());
  equal(generator.snapshot(), 0, "not the one before");
  generator.restore(7);
  equal(generator.snapshot(), 7);
});

test("watermarks() strategies are immutable", () => {
  const bounded = byField.boundedOutOfOrderness(5);
  const idle = bounded.withIdleness(100);
  equal(bounded.idlenessMs, null);
  equal(idle.idlenessMs, 100);
  equal(idle.monotonous().idlenessMs, 100);
  deepEqual(emitted(byField, [10]), [9]);
  deepEqual(emitted(bounded, [10]), [4]);
  deepEqual(emitted(idle, [10]), [4]);
});

test("watermarks() withIdleness marks idle after a silence, active with the next record", () => {
  const clock = new ManualClock();
  const generator = byField.withIdleness(1_000).createGenerator(clock);
  const output = new Output();
  const periods = (count: number) => {
    for (let i = 0; i < count; i++) {
      clock.advance(200);
      generator.onPeriodicEmit(output);
    }
  };
  periods(5);
  deepEqual(output.take(), [], "the silence is measured from the first look at it");
  periods(1);
  deepEqual(output.take(), ["idle"]);
  periods(10);
  deepEqual(output.take(), [], "said once");
  generator.onEvent({ at: 5 }, 5, output);
  deepEqual(output.take(), ["active", 4]);
  for (let i = 0; i < 20; i++) {
    generator.onEvent({ at: 5 }, 5, output);
    periods(3);
  }
  deepEqual(output.take(), [], "some records keep it active");
  equal(generator.snapshot(), 5);
  periods(6);
  deepEqual(output.take(), ["idle"]);
  for (const ms of [0, -1, NaN, Infinity]) throws(() => byField.withIdleness(ms), { name: "RangeError" });
});

test("watermarks() an idle generator is not asked for periodic watermarks", () => {
  const clock = new ManualClock();
  const periodic = byField.custom(() => ({
    onEvent: () => {},
    onPeriodicEmit: (output) => output.emitWatermark(1),
    snapshot: () => 0,
    restore: () => {},
  }));
  const generator = periodic.withIdleness(100).createGenerator(clock);
  const output = new Output();
  for (let i = 0; i < 4; i++) {
    clock.advance(100);
    generator.onPeriodicEmit(output);
  }
  deepEqual(output.take(), [1, "idle"]);
});

test("watermarks() says what a function returned that is no timestamp, and the remedy", () => {
  const cases: [unknown, RegExp][] = [
    [NaN, /returned NaN, must be a finite number .*; check the field/],
    [undefined, /returned undefined/],
    [null, /returned null/],
    [Infinity, /returned Infinity/],
    [-Infinity, /returned -Infinity/],
    ["2001-01-01", /returned the string "2001-01-01", .*; return Date\.parse/],
    [new Date(0), /returned a Date, .*; return date\.getTime\(\)/],
    [5n, /returned the bigint 5n/],
    [Promise.resolve(1), /returned a promise/],
    [{}, /returned an object/],
  ];
  for (const [returned, message] of cases) {
    const strategy = watermarks(() => returned as number); // What a program without types may return.
    throws(() => strategy.timestampOf({}, 0), { name: "StreamError", kind: "invalid", message });
  }
});

test("watermarks() hands the source's timestamp to the function", () => {
  equal(watermarks((_event: Event, sourceTimestampMs) => sourceTimestampMs + 1).timestampOf({ at: 1 }, 41), 42);
});

test("noWatermarks() emits nothing and keeps the source's timestamps", () => {
  const strategy: WatermarkStrategy<Event> = noWatermarks();
  deepEqual(emitted(strategy, [1, 2, 3]), []);
  equal(strategy.timestampOf({ at: 1 }, 17), 17);
  equal(strategy.createGenerator(new ManualClock()).snapshot(), -Infinity);
});
