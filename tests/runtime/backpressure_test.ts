import { deepEqual, equal, ok, rejects } from "node:assert/strict";
import { test } from "node:test";
import { HeapStateBackend } from "../../backends/heap/heap_backend.ts";
import type { StateBackendFactory } from "../../core/backend.ts";
import type { Key } from "../../core/key.ts";
import { collectSink, fromIterable, KeyedActor, StreamEnvironment, valueState } from "../../mod.ts";

class Count extends KeyedActor<number, number, number> {
  readonly #count = this.state(valueState<number>("count", { default: 0 }));

  override onMessage(): void {
    this.#count.update(this.#count.value() + 1);
    this.emit(this.#count.value());
  }
}

/** Has room for so many records, then makes them wait until a later turn of the event loop. */
class CrampedBackend extends HeapStateBackend {
  taken = 0;
  most = 0;
  waits = 0;
  #waiting: Promise<void> | undefined;
  failure: Error | null = null;

  override get looksAhead(): boolean {
    return false;
  }

  override setCurrentKey(key: Key): void {
    super.setCurrentKey(key);
    this.taken++;
    this.most = Math.max(this.most, this.taken);
  }

  backpressure(): Promise<void> | undefined {
    if (this.taken < 100) return undefined;
    this.#waiting ??= this.#makeRoom();
    return this.#waiting;
  }

  async #makeRoom(): Promise<void> {
    this.waits++;
    for (let turn = 0; turn < 5; turn++) await new Promise<void>((resolve) => queueMicrotask(resolve));
    if (this.failure !== null) throw this.failure;
    this.taken = 0;
    this.#waiting = undefined;
  }
}

async function run(parallelism: number, prepare: (backend: CrampedBackend) => void): Promise<readonly number[]> {
  const stateBackend: StateBackendFactory = {
    name: "cramped",
    create(context) {
      const backend = new CrampedBackend(context);
      prepare(backend);
      return backend;
    },
  };
  const env = StreamEnvironment.create({
    argv: [],
    stateBackend,
    config: { "parallelism.default": parallelism, "restart-strategy.type": "none" },
  });
  const out = collectSink<number>();
  env.fromSource("numbers", fromIterable(Array.from({ length: 5_000 }, (_, i) => i % 50)))
    .keyBy((value) => value).actor("count", () => new Count()).sinkTo("out", out);
  await (await env.executeAsync("cramped")).result;
  return out.values;
}

for (const parallelism of [1, 3]) {
  test(`a backend without room makes records wait within 64 of them, and none is lost, parallelism ${parallelism}`, async () => {
    const backends: CrampedBackend[] = [];
    const values = await run(parallelism, (backend) => void backends.push(backend));
    deepEqual(values.toSorted((a, b) => a - b), Array.from({ length: 5_000 }, (_, i) => Math.floor(i / 50) + 1));
    equal(backends.length, parallelism);
    ok(backends.reduce((sum, backend) => sum + backend.waits, 0) >= 5_000 / 164 - parallelism);
    for (const backend of backends) ok(backend.most <= 164, `${backend.most} records were taken in a row`);
  });
}

test("a backend that cannot make room fails the job with its cause", async () => {
  const failure = new Error("the disk is full");
  await rejects(run(1, (backend) => void (backend.failure = failure)), (error) => {
    ok(error instanceof Error);
    ok(String(error.message).includes("count"), error.message);
    equal(error.cause, failure);
    return true;
  });
});
