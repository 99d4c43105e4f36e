import { deepEqual, strictEqual as equal } from "node:assert/strict";
import { test } from "node:test";
import {
  collectSink,
  type DataStream,
  emits,
  fromIterable,
  jsonLines,
  KeyedActor,
  type KeyedStream,
  lines,
  type MalformedInput,
  malformedInputs,
  mapState,
  outputTag,
  StreamEnvironment,
  valueState,
} from "../../mod.ts";
import { MemoryFileSystem } from "../support/memory_file_system.ts";
import { runJob } from "./engine_harness.ts";

/** Compiles only when both types are the same. */
type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;

/** What a stream is a stream of. */
type ElementOf<S> = S extends DataStream<infer T> ? T : never;
type KeyIn<S> = S extends KeyedStream<infer K, infer _T> ? K : never;

interface Flight {
  readonly origin: string;
  readonly delay: number;
}

class Delays extends KeyedActor<string, Flight, { readonly airport: string; readonly total: number }> {
  readonly #total = this.state(valueState<number>("total", { default: 0 }));
  override onMessage(flight: Flight): void {
    this.#total.update(this.#total.value() + flight.delay);
    this.emit({ airport: this.key, total: this.#total.value() });
  }
}

const flights: Flight[] = [
  { origin: "ATL", delay: 3 },
  { origin: "JFK", delay: -1 },
  { origin: "ATL", delay: 4 },
];

test("types flow through a pipeline without annotations", async () => {
  const out = collectSink<string>();
  await runJob((env) => {
    const source = env.fromSource("flights", fromIterable(flights));
    true satisfies Same<ElementOf<typeof source>, Flight>;
    const mapped = source.map((flight) => ({ ...flight, isLate: flight.delay > 0 }));
    true satisfies Same<ElementOf<typeof mapped>["isLate"], boolean>;
    const words = mapped.flatMap((flight) => flight.origin.split("T"));
    true satisfies Same<ElementOf<typeof words>, string>;
    const maybe = source.map((flight) => flight.delay > 0 ? flight.delay : null);
    const delays = maybe.filter((delay) => delay !== null);
    true satisfies Same<ElementOf<typeof delays>, number>;
    const keyed = source.keyBy((flight) => flight.origin);
    true satisfies Same<KeyIn<typeof keyed>, string>;
    const totals = keyed.actor("delays", () => new Delays());
    true satisfies Same<ElementOf<typeof totals>["total"], number>;
    const sums = delays.keyBy((delay) => delay % 2).reduce("sum", (a, b) => a + b);
    true satisfies Same<ElementOf<typeof sums>, number>;
    totals.map(({ airport, total }) => `${airport} ${total}`).sinkTo("out", out);
  });
  deepEqual(out.values, ["ATL 3", "JFK -1", "ATL 7"]);
});

test("what does not fit does not compile", () => {
  const env = StreamEnvironment.create({ argv: [] });
  const source = env.fromSource("flights", fromIterable(flights));
  // @ts-expect-error: a flight has no such field.
  source.map((flight) => flight.destination);
  // @ts-expect-error: an object is not a key.
  source.keyBy((flight) => flight);
  // @ts-expect-error: the actor takes flights, not numbers.
  source.map((flight) => flight.delay).keyBy(() => "all").actor("delays", () => new Delays());
  // @ts-expect-error: the actor's keys are strings.
  source.keyBy((flight) => flight.delay).actor("numbered delays", () => new Delays());
  // @ts-expect-error: the sink takes numbers.
  source.sinkTo("out", collectSink<number>());
  // @ts-expect-error: a fold has one type.
  source.keyBy((flight) => flight.origin).reduce("sum", (a, b) => a.delay + b.delay);
});

test("an actor for any string takes a key that is one of few strings", async () => {
  const out = collectSink<number>();
  await runJob((env) =>
    env.fromSource("flights", fromIterable(flights)).keyBy((flight) => flight.delay < 0 ? "early" : "late")
      .actor("delays", () => new Delays()).map(({ total }) => total).sinkTo("out", out)
  );
  deepEqual(out.values, [3, -1, 7]);
});

test("process() with state declarations: handles by name, typed; key, timers and time at hand", async () => {
  const out = collectSink<string>();
  await runJob((env) => {
    const counted = env.fromSource("flights", fromIterable(flights)).keyBy((flight) => [flight.origin, 1] as const)
      .process("count", {
        state: { total: valueState<number>("total", { default: 0 }), byDelay: mapState<number, string>("by-delay") },
        onMessage(flight, { state, key, emit }) {
          // The handles' types follow from the declarations.
          true satisfies Same<ReturnType<typeof state.total.value>, number>;
          state.total.update(state.total.value() + 1);
          state.byDelay.set(flight.delay, key[0]);
          emit satisfies (value: never) => void;
        },
      });
    true satisfies Same<ElementOf<typeof counted>, never>;
    env.fromSource("again", fromIterable(flights)).keyBy((flight) => flight.origin).process<string>("emit", {
      onMessage(flight, context) {
        context.timers.registerEventTime(5);
        context.emit(`${context.key} ${flight.delay} ${context.timestampMs}`);
      },
      onTimer(timestampMs, context, domain) {
        context.emit(`${context.key} ${domain} ${timestampMs}`);
      },
    }).sinkTo("out", out);
  });
  deepEqual([...out.values].sort(), [
    "ATL 3 -Infinity",
    "ATL 4 -Infinity",
    "ATL event 5",
    "JFK -1 -Infinity",
    "JFK event 5",
  ]);
});

test("process() says what it emits: by a type argument, or by emits() beside inferred state; without it emits nothing", async () => {
  const out = collectSink<string>();
  await runJob((env) => {
    const words = env.fromSource("words", fromIterable(["to", "be", "to"]));
    const lengths = words.process<number>("lengths", (word, context) => context.emit(word.length));
    true satisfies Same<ElementOf<typeof lengths>, number>;
    const counted = words.keyBy((word) => word).process("count", {
      emits: emits<string>(),
      state: { count: valueState<number>("count", { default: 0 }) },
      onMessage(word, context) {
        true satisfies Same<ReturnType<typeof context.state.count.value>, number>;
        context.state.count.update(context.state.count.value() + 1);
        context.emit(`${word} ${context.state.count.value()}`);
        // @ts-expect-error: it emits strings.
        if (word === "") context.emit(1);
      },
    });
    true satisfies Same<ElementOf<typeof counted>, string>;
    counted.sinkTo("out", out);
    // @ts-expect-error: what it emits was not said.
    words.process("unsaid", (word, context) => context.emit(word)).sinkTo("lost", collectSink());
  });
  deepEqual(out.values, ["to 1", "be 1", "to 2"]);
});

test("side outputs go where their tag is read, with the record's time; a tag that nobody reads goes nowhere", async () => {
  const odd = outputTag<string>("odd");
  const unread = outputTag<number>("unread");
  const evens = collectSink<number>();
  const odds = collectSink<string>();
  await runJob((env) => {
    const split = env.fromSource("s", fromIterable([1, 2, 3])).process<number>("split", (n, context) => {
      context.emitTo(unread, n);
      if (n % 2 === 0) context.emit(n);
      else context.emitTo(odd, `odd ${n}`);
    });
    const side = split.sideOutput(odd);
    true satisfies Same<ElementOf<typeof side>, string>;
    side.sinkTo("odds", odds);
    split.sinkTo("evens", evens);
  });
  deepEqual(evens.values, [2]);
  deepEqual(odds.values, ["odd 1", "odd 3"]);
});

test("malformed inputs of a file source come out at the side", async () => {
  const fileSystem = new MemoryFileSystem(() => 0);
  await fileSystem.makeDirectory("/in");
  const file = await fileSystem.create("/in/flights.jsonl", "exclusive");
  await file.write(new TextEncoder().encode('{"origin":"ATL","delay":1}\n{"origin":\n{"origin":"JFK","delay":2}\n'));
  await file.close();
  const good = collectSink<string>();
  const bad = collectSink<MalformedInput>();
  await runJob((env) => {
    const source = env.fromSource("flights", jsonLines<Flight>("/in/flights.jsonl", { onMalformed: "side-output" }));
    source.map((flight) => flight.origin).sinkTo("good", good);
    source.sideOutput(malformedInputs).sinkTo("bad", bad);
  }, { fileSystem });
  deepEqual(good.values, ["ATL", "JFK"]);
  equal(bad.values.length, 1);
  equal(bad.values[0]!.location.includes("/in/flights.jsonl"), true);
  equal(lines("/in/flights.jsonl").replayable, true);
});

for (const parallelism of [1, 2]) {
  test(`union, fan-out to two sinks and a diamond lose and double nothing, parallelism ${parallelism}`, async () => {
    const all = collectSink<number>();
    const diamond = collectSink<string>();
    await runJob((env) => {
      const left = env.fromSource("left", fromIterable([1, 2, 3]));
      const right = env.fromSource("right", fromIterable([10, 20]));
      const both = left.union(right);
      both.sinkTo("all", all);
      const big = both.filter((n) => n > 2).map((n) => `big ${n}`);
      const small = both.filter((n) => n < 3).map((n) => `small ${n}`);
      big.union(small).sinkTo("diamond", diamond);
    }, { config: { "parallelism.default": parallelism } });
    deepEqual([...all.values].sort((a, b) => a - b), [1, 2, 3, 10, 20]);
    deepEqual([...diamond.values].sort(), ["big 10", "big 20", "big 3", "small 1", "small 2"]);
  });
}

test("all records of a key meet in one actor, in the order in which they came", async () => {
  class InOrder extends KeyedActor<number, number, string> {
    readonly #last = this.state(valueState<number>("last", { default: -1 }));
    override onMessage(value: number): void {
      if (value <= this.#last.value()) this.emit(`${value} after ${this.#last.value()}`);
      this.#last.update(value);
    }
  }
  const out = collectSink<string>();
  const numbers = Array.from({ length: 5_000 }, (_, i) => i);
  await runJob(
    (env) =>
      env.fromSource("s", fromIterable(numbers)).keyBy((n) => n % 13).actor("order", () => new InOrder())
        .sinkTo("out", out),
    { config: { "parallelism.default": 4 } },
  );
  deepEqual(out.values, []);
});
