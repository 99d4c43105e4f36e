/**
 * What does a timer cost, from its registration until it has fired, when a million keys wait for one each?
 *
 *     deno task bench timers/
 *
 * @module
 */
import type { StateBackend } from "../core/backend.ts";
import { pause } from "../core/clock.ts";
import { type Key, VOID_NAMESPACE } from "../core/key.ts";
import type { KeyContext } from "../core/state.ts";
import type { Timer, TimerQueue, TimerTarget } from "../core/timer.ts";
import { systemClock } from "../runtime/system_clock.ts";
import { EmbeddedTimerQueue } from "../timers/embedded_timer_queue.ts";
import { HeapTimerQueue } from "../timers/heap_timer_queue.ts";
import { TimerService } from "../timers/timer_service.ts";
import { inTurns, withBackend } from "./disk_backend.ts";
import { bench, type BenchOptions, type SeededRandom } from "./harness.ts";

interface TimerLoad {
  /** Distinct keys; each registers one timer. */
  readonly keys: number;
}

const START_MS = 1_700_000_000_000;
const SPAN_MS = 600_000;
const MAX_PARALLELISM = 128;
/** Timers of each key group in memory, as by default. */
const CACHE_SIZE = 128;
/** Memory of the slot. */
const CAP_BYTES = 64 * 1024 * 1024;
/** Milliseconds of timers between two turns of the event loop, and timers between two looks at the clock. */
const TURN_MS = 12;
const LOOK_INTERVAL = 64;
const never = () => false;

interface Registrations {
  readonly names: string[];
  readonly timestamps: Float64Array;
}

/** One timestamp for each key, uniform over ten minutes. */
function registrations({ keys }: TimerLoad, random: SeededRandom): Registrations {
  const names = Array.from({ length: keys }, (_, i) => `key-${i.toString().padStart(8, "0")}`);
  const timestamps = Float64Array.from({ length: keys }, () => START_MS + Math.floor(random() * SPAN_MS));
  return { names, timestamps };
}

/** Depends on the order of the timestamps and on the keys, not on the order of ties. */
class Checksum {
  value = 0;
  private keys = 0;

  fired(timestampMs: number, key: string): void {
    this.value = (Math.imul(this.value, 31) + (timestampMs - START_MS)) | 0;
    this.keys = (this.keys + Math.imul(timestampMs - START_MS, key.charCodeAt(11))) | 0;
  }

  toString(): string {
    return `${this.value} ${this.keys}`;
  }
}

class CurrentKey implements KeyContext {
  private key: Key = "";
  setCurrentKey(key: Key): void {
    this.key = key;
  }
  currentKey(): Key {
    return this.key;
  }
}

class Target implements TimerTarget {
  readonly checksum = new Checksum();
  onEventTime(timer: Timer): void {
    // All keys of this bench are strings.
    this.checksum.fired(timer.timestampMs, timer.key as string);
  }
  onProcessingTime(): void {
    throw new Error("No such timer was registered");
  }
}

function serviceOver(queue: (name: string) => TimerQueue, keys: KeyContext, target: TimerTarget): TimerService {
  const clock = { nowMs: () => START_MS, schedule: () => () => {} };
  const eventTime = queue("event");
  const processingTime = queue("processing");
  return new TimerService({ name: "bench", keys, eventTime, processingTime, clock, target });
}

function registerAndFire({ names, timestamps }: Registrations, tracking: boolean): string {
  const keys = new CurrentKey();
  const target = new Target();
  const queue = (name: string) => new HeapTimerQueue({ name, maxParallelism: MAX_PARALLELISM, tracking });
  const timers = serviceOver(queue, keys, target);
  for (let i = 0; i < names.length; i++) {
    keys.setCurrentKey(names[i]!);
    timers.registerEventTime(timestamps[i]!, VOID_NAMESPACE);
  }
  timers.advanceWatermark(START_MS + SPAN_MS, never);
  return target.checksum.toString();
}

/** As the engine does it: the store works between turns, and timers wait while it lags. */
async function registerAndFireOnDisk({ names, timestamps }: Registrations, backend: StateBackend): Promise<string> {
  const target = new Target();
  const keys = new CurrentKey();
  const queue = (name: string) =>
    new EmbeddedTimerQueue({
      name,
      rows: backend.orderedRows!(name),
      maxParallelism: MAX_PARALLELISM,
      keyGroups: { start: 0, end: MAX_PARALLELISM - 1 },
      cacheSize: CACHE_SIZE,
    });
  const timers = serviceOver(queue, keys, target);
  await inTurns(backend, names.length, (i) => {
    keys.setCurrentKey(names[i]!);
    timers.registerEventTime(timestamps[i]!, VOID_NAMESPACE);
  });
  let fired = 0;
  let endMs = 0;
  const interrupted = () =>
    ++fired % LOOK_INTERVAL === 0 && (performance.now() > endMs || backend.backpressure?.() !== undefined);
  for (;;) {
    endMs = performance.now() + TURN_MS;
    if (timers.advanceWatermark(START_MS + SPAN_MS, interrupted)) return target.checksum.toString();
    await backend.backpressure?.();
    await pause(systemClock);
  }
}

interface Entry {
  readonly timestamp: number;
  readonly key: string;
}

/** The textbook: an array, parent at (i - 1) / 2. */
class BinaryHeap {
  private readonly entries: Entry[] = [];

  push(entry: Entry): void {
    const entries = this.entries;
    let place = entries.length;
    entries.push(entry);
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (entries[parent]!.timestamp <= entry.timestamp) break;
      entries[place] = entries[parent]!;
      place = parent;
    }
    entries[place] = entry;
  }

  pop(): Entry | undefined {
    const entries = this.entries;
    const first = entries[0];
    const entry = entries.pop();
    if (entry === undefined || entries.length === 0) return first;
    let place = 0;
    for (let child = 1; child < entries.length; child = 2 * place + 1) {
      if (child + 1 < entries.length && entries[child + 1]!.timestamp < entries[child]!.timestamp) child++;
      if (entries[child]!.timestamp >= entry.timestamp) break;
      entries[place] = entries[child]!;
      place = child;
    }
    entries[place] = entry;
    return first;
  }
}

function bareHeap({ names, timestamps }: Registrations): string {
  const heap = new BinaryHeap();
  const pending = new Map<string, Entry>();
  const checksum = new Checksum();
  for (let i = 0; i < names.length; i++) {
    const key = names[i]!;
    const timestamp = timestamps[i]!;
    if (pending.get(key)?.timestamp === timestamp) continue;
    const entry = { timestamp, key };
    pending.set(key, entry);
    heap.push(entry);
  }
  for (let entry = heap.pop(); entry !== undefined; entry = heap.pop()) {
    pending.delete(entry.key);
    checksum.fired(entry.timestamp, entry.key);
  }
  return checksum.toString();
}

function options(tracking: boolean): BenchOptions<TimerLoad> {
  return {
    smoke: { keys: 1_000 },
    full: { keys: 1_000_000 },
    against: "a binary heap of {timestamp, key} objects, a Map for identity",
    run(params, random) {
      const load = registrations(params, random);
      const start = performance.now();
      const checksum = registerAndFire(load, tracking);
      return { ops: params.keys, checksum, elapsedMs: performance.now() - start };
    },
    baseline(params, random) {
      const load = registrations(params, random);
      const start = performance.now();
      const checksum = bareHeap(load);
      return { ops: params.keys, checksum, elapsedMs: performance.now() - start };
    },
  };
}

bench<TimerLoad>("timers/register_fire/heap", options(false));
bench<TimerLoad>("timers/register_fire/heap_tracking", options(true));
for (const [name, kind] of [["embedded", "lsm"], ["embedded_lmdb", "lmdb"]] as const) {
  bench<TimerLoad>(`timers/register_fire/${name}`, {
    ...options(false),
    rounds: 1,
    run: (params, random) =>
      withBackend(kind, CAP_BYTES, async (backend) => {
        const load = registrations(params, random);
        const start = performance.now();
        const checksum = await registerAndFireOnDisk(load, backend);
        return { ops: params.keys, checksum, elapsedMs: performance.now() - start };
      }),
  });
}
