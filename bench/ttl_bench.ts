/**
 * What does a time to live cost on value state?
 *
 * Run: deno task bench ttl
 *
 * Nothing is over while it runs: that is what an access costs, with the clock, the stamps and the cleanup that looks for
 * what is over in vain. State on the heap is used as an operator uses it, which looks ahead when there is much of it.
 *
 * @module
 */
import { HeapStateBackend } from "../backends/heap/heap_backend.ts";
import type { StateBackend } from "../core/backend.ts";
import { valueState, type ValueStateDescriptor } from "../core/descriptors.ts";
import { bytes, f64 } from "../core/serializer.ts";
import { KeyedStates } from "../runtime/keyed_states.ts";
import { LOOK_AHEAD } from "../runtime/operators/look_ahead.ts";
import { systemClock } from "../runtime/system_clock.ts";
import { backendContext } from "./backend_context.ts";
import { inTurns, withBackend } from "./disk_backend.ts";
import { bench, type Run, type SeededRandom } from "./harness.ts";

const COUNT = valueState<number>("count", { default: 0, serializer: f64 });
const COUNT_TTL = valueState<number>("count", { default: 0, serializer: f64, ttl: "1 d" });
const VALUE = valueState<Uint8Array>("value", { serializer: bytes });
const VALUE_TTL = valueState<Uint8Array>("value", { serializer: bytes, ttl: "1 d" });
/** As in bench/embedded_bench.ts. */
const VALUE_BYTES = 100;
const CAP_BYTES = 64 * 1024 * 1024;
/** Records of a slice. */
const SLICE = 4_096;

const ahead: string[] = new Array(LOOK_AHEAD);

interface Accesses {
  readonly keys: number;
  readonly ops: number;
}

/** Those of the last run: all runs have the same, so that where they lie in memory makes no difference. */
let last: { readonly params: Accesses; readonly drawn: readonly string[] } | undefined;

function drawKeys(params: Accesses, random: SeededRandom): readonly string[] {
  if (last?.params === params) return last.drawn;
  const names = Array.from({ length: params.keys }, (_, i) => `customer-${i}`);
  const drawn = Array.from({ length: params.ops }, () => names[Math.floor(random() * params.keys)]!);
  last = { params, drawn };
  return drawn;
}

function statesOf(backend: StateBackend): KeyedStates {
  return new KeyedStates(backend, systemClock, null);
}

/** Each loop has a text of its own, so that it sees one kind of handle, as the operator of a job does. */
function countWithTtl(params: Accesses, random: SeededRandom): Run {
  const drawn = drawKeys(params, random);
  const backend = new HeapStateBackend(backendContext());
  const states = statesOf(backend);
  const count = states.open(COUNT_TTL);
  const startMs = performance.now();
  let checksum = 0;
  for (let i = 0; i < drawn.length; i++) {
    if (i % LOOK_AHEAD === 0) lookAhead(backend, drawn, i);
    backend.setCurrentKey(drawn[i]!);
    const next = count.value() + 1;
    count.update(next);
    checksum += next;
    if (i % SLICE === 0) turn(states, i);
  }
  return { ops: params.ops, checksum, elapsedMs: performance.now() - startMs };
}

function countWithout(params: Accesses, random: SeededRandom): Run {
  const drawn = drawKeys(params, random);
  const backend = new HeapStateBackend(backendContext());
  const states = statesOf(backend);
  const count = states.open(COUNT);
  const startMs = performance.now();
  let checksum = 0;
  for (let i = 0; i < drawn.length; i++) {
    if (i % LOOK_AHEAD === 0) lookAhead(backend, drawn, i);
    backend.setCurrentKey(drawn[i]!);
    const next = count.value() + 1;
    count.update(next);
    checksum += next;
    if (i % SLICE === 0) turn(states, i);
  }
  return { ops: params.ops, checksum, elapsedMs: performance.now() - startMs };
}

/** As the operator does when there is much state. */
function lookAhead(backend: HeapStateBackend, drawn: readonly string[], from: number): void {
  if (!backend.looksAhead) return;
  const count = Math.min(LOOK_AHEAD, drawn.length - from);
  for (let i = 0; i < count; i++) ahead[i] = drawn[from + i]!;
  backend.prefetch(ahead, count);
}

/** From one slice to the next. */
function turn(states: KeyedStates, recordCount: number): void {
  states.endSlice(recordCount);
  states.beginSlice();
}

bench("value_state/rmw/ttl/heap", {
  smoke: { keys: 100, ops: 1_000 },
  full: { keys: 100_000, ops: 4_000_000 },
  rounds: 9,
  against: "the same without a time to live",
  run: countWithTtl,
  baseline: countWithout,
});

function rewriteOnDisk(
  params: Accesses,
  random: SeededRandom,
  descriptor: ValueStateDescriptor<Uint8Array | null>,
): Promise<Run> {
  const drawn = drawKeys(params, random);
  const names = [...new Set(drawn)];
  const value = Uint8Array.from({ length: VALUE_BYTES }, (_, i) => i * 7);
  return withBackend("lsm", CAP_BYTES, async (backend, settle) => {
    const states = statesOf(backend);
    const state = states.open(descriptor);
    await inTurns(backend, names.length, (i) => {
      backend.setCurrentKey(names[i]!);
      state.update(value);
    });
    await settle();
    const startMs = performance.now();
    let checksum = 0;
    await inTurns(backend, drawn.length, (i) => {
      backend.setCurrentKey(drawn[i]!);
      const current = state.value()!;
      checksum += ++current[0]!;
      state.update(current);
      if (i % SLICE === 0) turn(states, i);
    });
    await settle();
    return { ops: params.ops, checksum, elapsedMs: performance.now() - startMs };
  });
}

bench("value_state/rmw/ttl/lsm", {
  smoke: { keys: 200, ops: 1_000 },
  full: { keys: 1_000_000, ops: 2_000_000 },
  rounds: 3,
  against: "the same without a time to live",
  run: (params: Accesses, random) => rewriteOnDisk(params, random, VALUE_TTL),
  baseline: (params, random) => rewriteOnDisk(params, random, VALUE),
});
