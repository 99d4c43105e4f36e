import { backendContext } from "../support/backend_context.ts";
import { deepEqual, equal, rejects } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { heapBackendFactory, HeapStateBackend } from "../../backends/heap/heap_backend.ts";
import type { StateBackendFactory } from "../../core/backend.ts";
import { collectSink, fromIterable, KeyedActor, StreamEnvironment, valueState, watermarks } from "../../mod.ts";
import { scaled } from "../support/scale.ts";

/** Heap backends that always ask for a look ahead, however little state they have; one finds strings without a Map. */
const farSighted: StateBackendFactory = {
  name: "far-sighted",
  create: (context) => new HeapStateBackend(context, { lookAheadRows: 0 }),
};
const indexed: StateBackendFactory = {
  name: "far-sighted, indexed",
  create: (context) => new HeapStateBackend(context, { lookAheadRows: 0, indexedRows: 2 }),
};

interface Message {
  readonly key: string;
  readonly atMs: number;
}

/** Tells everything that an actor can see, so that any change of order shows. */
class Witness extends KeyedActor<string, Message, Message & { readonly saw: string }> {
  readonly #count = this.state(valueState<number>("count", { default: 0 }));

  override onMessage({ atMs }: Message): void {
    this.#count.update(this.#count.value() + 1);
    if (atMs % 3 === 0) this.timers.registerEventTime(atMs + 2);
    this.#tell(atMs, "message");
  }

  override onTimer(timestampMs: number): void {
    this.#tell(timestampMs, "timer");
    if (this.#count.value() > 3) this.#count.clear();
  }

  #tell(atMs: number, what: string): void {
    const saw = `${what} ${this.key} ${this.#count.value()} at ${this.timestampMs} of ${this.timers.currentWatermark}`;
    this.emit({ key: saw.length % 2 === 0 ? "even" : "odd", atMs, saw });
  }
}

async function run(messages: readonly Message[], keyedSteps: number, stateBackend: StateBackendFactory) {
  const env = StreamEnvironment.create({ argv: [], stateBackend });
  const out = collectSink<Message & { readonly saw: string }>();
  let stream = env.fromSource(
    "messages",
    fromIterable(messages),
    watermarks((message: Message) => message.atMs).boundedOutOfOrderness(3),
  ).keyBy(({ key }) => key).actor("witness-1", () => new Witness());
  for (let step = 2; step <= keyedSteps; step++) {
    stream = stream.keyBy(({ key }) => key).actor(`witness-${step}`, () => new Witness());
  }
  stream.sinkTo("out", out);
  await (await env.executeAsync("witnesses")).result;
  return out.values.map(({ saw }) => saw);
}

test("a keyed operator that looks ahead shows its actors the same as one that does not, one after another too", async () => {
  const message = fc.record({ key: fc.constantFrom("a", "b", "c", "d", "e"), atMs: fc.integer({ min: 0, max: 60 }) });
  await fc.assert(
    fc.asyncProperty(fc.array(message, { maxLength: 80 }), fc.integer({ min: 1, max: 3 }), async (messages, steps) => {
      const expected = await run(messages, steps, heapBackendFactory);
      deepEqual(await run(messages, steps, farSighted), expected);
      deepEqual(await run(messages, steps, indexed), expected);
    }),
    { numRuns: scaled(30, 1_000) },
  );
});

test("a failure among records that look ahead names its own record", async () => {
  class Picky extends KeyedActor<number, number> {
    override onMessage(value: number): void {
      if (value === 7) throw new Error("not seven");
    }
  }
  const env = StreamEnvironment.create({ argv: [], stateBackend: farSighted });
  env.fromSource("numbers", fromIterable([1, 2, 3, 4, 5, 6, 7, 8, 9])).keyBy((n) => n).actor(
    "picky",
    () => new Picky(),
  );
  await rejects((await env.executeAsync("picky")).result, /"picky" failed at record 7 of subtask 0: 7: not seven/);
});

test("prefetch() of a heap backend changes nothing that can be seen", () => {
  const backend = new HeapStateBackend(backendContext({ incremental: true }), { lookAheadRows: 0 });
  const count = backend.state(valueState<number>("count", { default: 0 }));
  for (let key = 0; key < 10_000; key++) {
    backend.setCurrentKey(key);
    count.update(key);
  }
  backend.prefetch([1, 2, "absent", [3, 4]], 4);
  equal(backend.currentKey(), 9_999);
  equal(backend.entryCount, 10_000);
  equal(count.value(), 9_999);
});
