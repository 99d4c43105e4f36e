import { deepEqual, equal, match, notDeepEqual, ok, rejects, throws } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { fromAsyncIterable } from "../../connectors/async_iterable_source.ts";
import { generator } from "../../connectors/generator_source.ts";
import { fromIterable } from "../../connectors/iterable_source.ts";
import { findJsonMistake } from "../../connectors/json_syntax.ts";
import { NO_TIMESTAMP } from "../../core/element.ts";
import { StreamError } from "../../core/errors.ts";
import type { Random } from "../../core/clock.ts";
import type { Source, SourceReader, SplitPosition } from "../../core/source.ts";
import { readRecords, restoredPositions, sourceContext, TestOutput, type TestSourceContext } from "./contexts.ts";

async function opened<T>(source: Source<T>, overrides: Partial<TestSourceContext> = {}) {
  const context = sourceContext(overrides);
  const reader = await source.open(context);
  const output = new TestOutput<T>();
  return { reader, output, take: (count?: number) => readRecords(reader, output, context.clock, count) };
}

const isInvalid = (message: RegExp) => (error: unknown) => {
  ok(error instanceof StreamError);
  equal(error.kind, "invalid");
  match(error.message, message);
  return true;
};

test("fromIterable() says whether it can be read again", () => {
  const once = [1, 2][Symbol.iterator]();
  const drained = { [Symbol.iterator]: () => once };
  equal(fromIterable([1]).replayable, true);
  equal(fromIterable("text").replayable, true);
  equal(fromIterable(new Map([[1, 2]])).replayable, true);
  equal(fromIterable(new Float64Array(2)).replayable, true);
  equal(fromIterable(() => drained).replayable, true);
  equal(fromIterable(drained).replayable, false);
  equal(fromIterable(drained, { replayable: true }).replayable, true);
  equal(fromIterable(() => [1], { replayable: false }).replayable, false);
  equal(fromAsyncIterable(async function* () {}).replayable, false);
});

test("fromIterable() refuses to be opened again when its input is used up", async () => {
  const source = fromIterable([1, 2][Symbol.iterator]());
  const { output, take } = await opened(source);
  await take();
  deepEqual(output.values, [1, 2]);
  throws(() => source.open(sourceContext()), isInvalid(/^Cannot open source "input" again: its iterable can be read/));
});

test("fromIterable() copies an array, and stamps records when it is told how", async () => {
  const values = [3, 1];
  const source = fromIterable(values, { timestamp: (value) => value * 1000 });
  values.push(7);
  const { output, take } = await opened(source);
  await take();
  deepEqual(output.values, [3, 1]);
  deepEqual(output.timestamps, [3000, 1000]);
  const plain = await opened(fromIterable(values));
  await plain.take(1);
  deepEqual(plain.output.timestamps, [NO_TIMESTAMP]);
});

test("fromIterable() and fromAsyncIterable() refuse an input that is shorter than what was read of it", async () => {
  const restored = [{ split: "iterable", position: 3 }];
  const message = /^Cannot go on reading source "input": it has 2 records, 3 were read before the restore; give it/;
  throws(() => fromIterable([1, 2]).open(sourceContext({ restored })), isInvalid(message));
  const { reader, output } = await opened(fromIterable(() => new Set([1, 2])), { restored });
  throws(() => reader.read(output), isInvalid(message));
  const slow = await opened(
    fromAsyncIterable(async function* () {
      yield* [1, 2];
    }),
    { restored },
  );
  await rejects(slow.take(), isInvalid(message));
});

test("fromAsyncIterable() emits what came before an error, then passes it on", async () => {
  const { output, take, reader } = await opened(fromAsyncIterable(async function* () {
    yield await Promise.resolve(1);
    throw new Error("connection lost");
  }));
  await rejects(take(), /connection lost/);
  deepEqual(output.values, [1]);
  await reader.close();
});

test("fromAsyncIterable() asks for 256 records ahead at most, and stops its iterable when it is closed", async () => {
  let asked = 0;
  let isStopped = false;
  const { reader, take } = await opened(fromAsyncIterable(async function* () {
    try {
      for (;;) yield await Promise.resolve(asked++);
    } finally {
      isStopped = true;
    }
  }, { unbounded: true }));
  await take(1);
  for (let turn = 0; turn < 3000; turn++) await Promise.resolve();
  ok(asked <= 258, `${asked} records were asked for`);
  await reader.close();
  equal(isStopped, true);
});

test("fromAsyncIterable() closes while it waits for a record that never comes", async () => {
  const { reader, output } = await opened(fromAsyncIterable(async function* () {
    await new Promise(() => {});
    yield 1;
  }));
  const waiting = reader.read(output);
  await reader.close();
  await waiting;
  deepEqual(output.values, []);
});

const sample = (index: number, random: Random) => ({ index, number: random.next(), id: random.id() });

test("generator() makes record i from the seed and i alone", async () => {
  const all = await opened(generator({ count: 300, seed: 5, create: sample }));
  await all.take();
  for (const parallelism of [2, 7, 64, 70]) {
    const parts = [];
    for (let subtaskIndex = 0; subtaskIndex < parallelism; subtaskIndex++) {
      const part = await opened(generator({ count: 300, seed: 5, create: sample }), { subtaskIndex, parallelism });
      await part.take();
      parts.push(...part.output.values);
    }
    deepEqual(parts.sort((a, b) => a.index - b.index), all.output.values);
  }
  const other = await opened(generator({ count: 300, seed: 6, create: sample }));
  await other.take();
  notDeepEqual(other.output.values[0], all.output.values[0]);
  const numbers = all.output.values.map(({ number }) => number);
  equal(new Set(numbers).size, 300);
  ok(numbers.every((number) => number >= 0 && number < 1));
  const mean = numbers.reduce((sum, number) => sum + number, 0) / 300;
  ok(mean > 0.42 && mean < 0.58, `mean is ${mean}`);
});

test("generator() emits in ascending order, also after subtasks that had come to different places are merged", async () => {
  const source = generator({ count: 400, create: (index) => index, timestamp: (_, index) => index * 10 });
  const positions: SplitPosition[] = [];
  const seen: number[] = [];
  for (const [subtaskIndex, count] of [[0, 130], [1, 3]] as const) {
    const { reader, output, take } = await opened(source, { subtaskIndex, parallelism: 2 });
    await take(count);
    seen.push(...output.values);
    positions.push(...restoredPositions(reader as SourceReader<unknown>));
  }
  const { output, take } = await opened(source, { restored: positions.reverse() });
  await take();
  deepEqual(output.values, output.values.toSorted((a, b) => a - b));
  deepEqual(output.timestamps, output.values.map((value) => value * 10));
  deepEqual([...seen, ...output.values].sort((a, b) => a - b), Array.from({ length: 400 }, (_, index) => index));
});

test("generator() refuses a count or seed that is no integer, and a position that is not its own", () => {
  const create = (index: number) => index;
  for (const options of [{ count: -1 }, { count: 1.5 }, { seed: 0.5 }, { ratePerSecond: 0 }]) {
    throws(() => generator({ create, ...options }), RangeError);
  }
  const restored = [{ split: "1 of 64", position: 2 }];
  throws(() => generator({ create }).open(sourceContext({ restored })), StreamError);
});

test("findJsonMistake() finds none exactly where JSON.parse takes a text", () => {
  const parses = (text: string) => {
    try {
      JSON.parse(text);
      return true;
    } catch {
      return false;
    }
  };
  const check = (text: string) => {
    const mistake = findJsonMistake(text);
    equal(mistake === null, parses(text), text);
    if (mistake !== null) ok(mistake.at >= 0 && mistake.at <= text.length);
  };
  const change = fc.record({
    at: fc.nat(),
    with: fc.constantFrom("", ",", '"', "}", "]", ":", "0", "-", "\\", "x", "\n"),
  });
  fc.assert(fc.property(fc.json(), change, (text, { at, with: character }) => {
    check(text);
    const place = at % (text.length + 1);
    check(text.slice(0, place) + character + text.slice(place + 1));
  }));
});

test("findJsonMistake() points at the first mistake", () => {
  const cases: [string, number, RegExp][] = [
    ["", 0, /^unexpected end of JSON$/],
    ["{", 1, /end/],
    ['{"a":1,}', 7, /^unexpected "}" in JSON$/],
    ["[1,]", 3, /"\]"/],
    ['{"a" 1}', 5, /"1"/],
    ['"abc', 4, /end/],
    ['["a\tb"]', 3, /"\\t"/],
    ["01", 1, /"1"/],
    ["1.", 1, /"\."/],
    ["tru", 0, /"t"/],
    ["{} x", 3, /"x"/],
    ["[1 😀]", 3, /"😀"/],
  ];
  for (const [text, at, reason] of cases) {
    const mistake = findJsonMistake(text);
    equal(mistake?.at, at, text);
    match(mistake?.reason ?? "", reason);
  }
});
