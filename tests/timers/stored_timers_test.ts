/** Queues of timers keep their contract over the stores that there are, while these flush and merge beneath them. */
import { deepEqual, equal } from "node:assert/strict";
import { test } from "node:test";
import { embeddedBackendFactory } from "../../backends/embedded/embedded_backend_factory.ts";
import type { RowStoreFactory } from "../../backends/embedded/row_store.ts";
import { lsmRowStoreFactory } from "../../backends/lsm/lsm_store.ts";
import type { StateBackend, StateBackendFactory } from "../../core/backend.ts";
import { VOID_NAMESPACE } from "../../core/key.ts";
import type { OrderedRows } from "../../core/ordered_rows.ts";
import { EmbeddedTimerQueue } from "../../timers/embedded_timer_queue.ts";
import { HeapTimerQueue } from "../../timers/heap_timer_queue.ts";
import { ALL, BackendRig, MAX_PARALLELISM } from "../contracts/backend_rig.ts";
import { contents, timerQueueContract, timerText } from "../contracts/timer_queue.ts";
import { backendContext } from "../support/backend_context.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { lmdbStoresForTests } from "../support/native_folder.ts";

const LSM = lsmRowStoreFactory({ blockBytes: 512, targetFileBytes: 8192, levelBaseBytes: 32_768 });
const STORES: readonly RowStoreFactory[] = [LSM, await lmdbStoresForTests()];
/** Changes of rows between two slices of the store's work. */
const CHANGES_PER_SLICE = 5;

function factory(stores: RowStoreFactory): StateBackendFactory {
  const memory = { bytes: 1_048_576, writeBufferRatio: 0.5, highPriorityPoolRatio: 0.1 };
  // A buffer of a few dozen timers is flushed.
  return embeddedBackendFactory(stores, { memory, directory: "/state", maxBufferBytes: 4096 });
}

/** Rows of a backend whose store works in between. */
function busy(rows: OrderedRows, clock: ManualClock): OrderedRows {
  let changes = 0;
  const work = (): void => {
    if (++changes % CHANGES_PER_SLICE === 0) clock.runDeferred();
  };
  return {
    has: (keyGroup, row, rowBytes) => rows.has(keyGroup, row, rowBytes),
    add: (keyGroup, row, rowBytes) => {
      rows.add(keyGroup, row, rowBytes);
      work();
    },
    remove: (keyGroup, row, rowBytes) => {
      rows.remove(keyGroup, row, rowBytes);
      work();
    },
    scan: (keyGroup, from, limit, visit) => rows.scan(keyGroup, from, limit, visit),
  };
}

for (const stores of STORES) {
  const clock = new ManualClock({ tickMs: 1 });
  // One for all tests: each queue has a name, and so rows, of its own.
  const keyGroups = { start: 0, end: 32_767 };
  const backend = factory(stores).create(backendContext({ clock, keyGroups, maxParallelism: 32_768 }));
  await clock.runUntil(backend.open([], { open: () => Promise.reject(new Error("nothing is restored")) }));
  let queues = 0;
  for (const cacheSize of [1, 128]) {
    timerQueueContract(
      `EmbeddedTimerQueue on ${stores.name} with ${cacheSize} cached`,
      ({ maxParallelism, keyGroups }) =>
        new EmbeddedTimerQueue({
          name: "event",
          rows: busy(backend.orderedRows!(`queue ${queues++}`), clock),
          maxParallelism,
          keyGroups,
          cacheSize,
        }),
    );
  }

  test(`${stores.name}: timers of two queues travel under their names, on disk and in memory, and do not mix [53] [72] [131]`, async () => {
    await using rig = new BackendRig(factory(stores));
    const times = [-Infinity, -1e300, -1, -0, 0.5, 7, Number.MAX_SAFE_INTEGER, Infinity];
    const first = await rig.open([], { incremental: true });
    const event = onDisk(first, "event");
    const processing = onDisk(first, "processing");
    for (const [i, timestampMs] of times.entries()) {
      for (let key = 0; key < 60; key++) event.add(timestampMs, key, VOID_NAMESPACE);
      processing.add(timestampMs, "p", `n${i}`);
    }
    const expected = [contents(event), contents(processing)];
    equal(expected[0]!.length, times.length * 60);
    let handle = await rig.snapshot(first, { confirm: true });
    // On disk, in memory, on disk: each goes on from what the one before has written.
    for (const open of [inMemory, onDisk]) {
      const backend = await rig.open([handle], { incremental: true });
      deepEqual([contents(open(backend, "event")), contents(open(backend, "processing"))], expected);
      handle = await rig.snapshot(backend, { confirm: true });
    }
    const last = await rig.open([handle]);
    const queue = onDisk(last, "event");
    equal(
      timerText(queue.peek()!),
      timerText({ timestampMs: -Infinity, key: queue.peek()!.key, namespace: VOID_NAMESPACE }),
    );
    for (const timestampMs of times) {
      for (let i = 0; i < 60; i++) equal(queue.poll()?.timestampMs, timestampMs + 0);
    }
    equal(queue.poll(), null);
    equal(onDisk(last, "processing").size, times.length);
  });
}

function onDisk(backend: StateBackend, name: string): EmbeddedTimerQueue {
  const rows = backend.orderedRows!(name);
  return new EmbeddedTimerQueue({ name, rows, maxParallelism: MAX_PARALLELISM, keyGroups: ALL, cacheSize: 3 });
}

function inMemory(backend: StateBackend, name: string): HeapTimerQueue {
  const queue = new HeapTimerQueue({ name, maxParallelism: MAX_PARALLELISM, keyGroups: ALL, tracking: true });
  backend.attach(queue);
  return queue;
}
