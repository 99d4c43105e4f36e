/**
 * What does keyed state on the heap cost per access, and what does a snapshot of it cost while records wait?
 *
 * Run: deno task bench value_state, deno task bench checkpoint/sync_part
 *
 * @module
 */
import { HeapStateBackend } from "../backends/heap/heap_backend.ts";
import { ByteWriter } from "../core/bytes.ts";
import { valueState } from "../core/descriptors.ts";
import { f64 } from "../core/serializer.ts";
import { VOID_NAMESPACE, writeKey } from "../core/key.ts";
import type { FileRef, SnapshotFile, SnapshotStore } from "../core/snapshot.ts";

import { HeapTimerQueue } from "../timers/heap_timer_queue.ts";
import { backendContext } from "./backend_context.ts";
import { bench, type SeededRandom } from "./harness.ts";

const COUNT = valueState<number>("count", { default: 0, serializer: f64 });

function openBackend(): HeapStateBackend {
  return new HeapStateBackend(backendContext());
}

function namesOf(keys: number): string[] {
  return Array.from({ length: keys }, (_, i) => `customer-${i}`);
}

interface Accesses {
  readonly keys: number;
  readonly ops: number;
}

/** The keys of the accesses: drawn before the clock starts. */
function drawKeys({ keys, ops }: Accesses, random: SeededRandom): string[] {
  const names = namesOf(keys);
  return Array.from({ length: ops }, () => names[Math.floor(random() * keys)]!);
}

bench("value_state/rmw/heap/uniform", {
  smoke: { keys: 100, ops: 1_000 },
  full: { keys: 100_000, ops: 4_000_000 },
  against: "a bare loop over a Map",
  run(params: Accesses, random) {
    const drawn = drawKeys(params, random);
    const backend = openBackend();
    const count = backend.state(COUNT);
    const startMs = performance.now();
    let checksum = 0;
    for (let i = 0; i < drawn.length; i++) {
      backend.setCurrentKey(drawn[i]!);
      const next = count.value() + 1;
      count.update(next);
      checksum += next;
    }
    return { ops: params.ops, checksum, elapsedMs: performance.now() - startMs };
  },
  baseline(params, random) {
    const drawn = drawKeys(params, random);
    const counts = new Map<string, number>();
    const startMs = performance.now();
    let checksum = 0;
    for (let i = 0; i < drawn.length; i++) {
      const key = drawn[i]!;
      const next = (counts.get(key) ?? 0) + 1;
      counts.set(key, next);
      checksum += next;
    }
    return { ops: params.ops, checksum, elapsedMs: performance.now() - startMs };
  },
});

/** Takes bytes and forgets them. */
class NullStore implements SnapshotStore {
  create(): Promise<SnapshotFile> {
    let sizeBytes = 0;
    const ref = (): FileRef => ({ scope: "exclusive", name: "none", sizeBytes });
    return Promise.resolve({
      write: (chunk) => {
        sizeBytes += chunk.length;
        return Promise.resolve();
      },
      finish: () => Promise.resolve(ref()),
      discard: () => Promise.resolve(),
    });
  }
}

function fill(keys: number): HeapStateBackend {
  const backend = openBackend();
  const count = backend.state(COUNT);
  for (const name of namesOf(keys)) {
    backend.setCurrentKey(name);
    count.update(name.length);
  }
  return backend;
}

function median(values: readonly number[]): number {
  return [...values].sort((left, right) => left - right)[values.length >> 1]!;
}

/** Milliseconds of `rounds` synchronous parts; every snapshot but the last is cancelled. */
async function snapshots(
  keys: number,
  rounds: number,
  timers = 0,
): Promise<{ readonly syncMs: number; readonly asyncMs: number }> {
  const backend = fill(keys);
  const queue = new HeapTimerQueue({ name: "timers", maxParallelism: 128, tracking: false });
  backend.attach(queue);
  for (let i = 0; i < timers; i++) queue.add((i * 7_919) % 600_000, `customer-${i}`, VOID_NAMESPACE);
  const syncs: number[] = [];
  let asyncMs = 0;
  for (let round = 1; round <= rounds; round++) {
    const startMs = performance.now();
    const pending = backend.snapshot({ checkpointId: round, full: false });
    syncs.push(performance.now() - startMs);
    if (round < rounds) {
      pending.cancel(new Error("only the synchronous part is measured"));
    } else {
      const writeMs = performance.now();
      await pending.write(new NullStore());
      asyncMs = performance.now() - writeMs;
    }
  }
  await backend.close();
  return { syncMs: median(syncs), asyncMs };
}

interface SnapshotSize {
  readonly keys: number;
  readonly fewerKeys: number;
  readonly rounds: number;
}

bench("checkpoint/sync_part/heap", {
  smoke: { keys: 1_000, fewerKeys: 100, rounds: 3 },
  full: { keys: 1_000_000, fewerKeys: 100_000, rounds: 20 },
  rounds: 3,
  against: "keys and values encoded in one go",
  async run({ keys, fewerKeys, rounds }: SnapshotSize) {
    const large = await snapshots(keys, rounds);
    const small = await snapshots(fewerKeys, rounds);
    const timed = await snapshots(keys, rounds, keys);
    const figures = {
      syncMs: large.syncMs,
      syncMsFewerKeys: small.syncMs,
      syncMsWithTimers: timed.syncMs,
      asyncMs: large.asyncMs,
    };
    return { ops: keys, checksum: keys, elapsedMs: large.asyncMs, figures };
  },
  baseline({ keys }) {
    const counts = new Map(namesOf(keys).map((name) => [name, name.length] as const));
    const out = new ByteWriter(1 << 20);
    const startMs = performance.now();
    for (const [key, count] of counts) {
      writeKey(out, key);
      f64.write(count, out);
    }
    return { ops: counts.size, checksum: counts.size, elapsedMs: performance.now() - startMs };
  },
});
