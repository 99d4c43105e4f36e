/**
 * What does it cost to measure how long accesses of keyed state take, one of a hundred?
 *
 * Run: deno task bench latency_tracking
 *
 * @module
 */
import { HeapStateBackend } from "../backends/heap/heap_backend.ts";
import { valueState } from "../core/descriptors.ts";
import { f64 } from "../core/serializer.ts";
import { KeyedStates } from "../runtime/keyed_states.ts";
import { StateLatency } from "../runtime/state_latency.ts";
import { systemClock } from "../runtime/system_clock.ts";
import { backendContext } from "./backend_context.ts";
import { bench, type Run, type SeededRandom } from "./harness.ts";

const COUNT = valueState<number>("count", { default: 0, serializer: f64 });
const DEFAULTS = { sampleInterval: 100, historySize: 128, stateNameAsVariable: true };

interface Accesses {
  readonly keys: number;
  readonly ops: number;
}

function readAndWrite({ keys, ops }: Accesses, random: SeededRandom, isMeasured: boolean): Run {
  const drawn = Array.from({ length: ops }, () => `customer-${Math.floor(random() * keys)}`);
  const context = backendContext();
  const backend = new HeapStateBackend(context);
  const latency = isMeasured ? new StateLatency(DEFAULTS, context.clock, context.metrics) : null;
  const count = new KeyedStates(backend, systemClock, latency).open(COUNT);
  const startMs = performance.now();
  let checksum = 0;
  for (let i = 0; i < ops; i++) {
    backend.setCurrentKey(drawn[i]!);
    const next = count.value() + 1;
    count.update(next);
    checksum += next;
  }
  return { ops, checksum, elapsedMs: performance.now() - startMs };
}

bench("latency_tracking/rmw/heap/uniform", {
  smoke: { keys: 100, ops: 1_000 },
  full: { keys: 100_000, ops: 4_000_000 },
  against: "the same without tracking",
  run: (params: Accesses, random) => readAndWrite(params, random, true),
  baseline: (params, random) => readAndWrite(params, random, false),
});
