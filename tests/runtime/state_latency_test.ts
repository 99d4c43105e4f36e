/** Latency tracking: measured handles do what plain ones do, and report under Flink's names. */
import { deepEqual, equal, match, ok, throws } from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { heapBackendFactory } from "../../backends/heap/heap_backend.ts";
import type { StateBackend, StateBackendFactory } from "../../core/backend.ts";
import type { StateDescriptor } from "../../core/descriptors.ts";
import type { MetricReading } from "../../inspection.ts";
import {
  aggregatingState,
  collectSink,
  fromIterable,
  KeyedActor,
  listState,
  mapState,
  reducingState,
  type StreamEnvironment,
  valueState,
} from "../../mod.ts";
import { KeyedStates } from "../../runtime/keyed_states.ts";
import { MetricRegistry } from "../../runtime/metrics.ts";
import { StateLatency } from "../../runtime/state_latency.ts";
import { keyedMapSuite } from "../contracts/keyed_maps.ts";
import { keyedStateSuite } from "../contracts/keyed_state.ts";
import { ApiRig } from "../control/http_rig.ts";
import { backendContext } from "../support/backend_context.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { type EngineRun, startJob } from "./engine_harness.ts";

/** A backend whose handles measure every second access. */
function measuring(factory: StateBackendFactory): StateBackendFactory {
  return {
    name: `${factory.name}, measured`,
    create(context) {
      const backend = factory.create(context);
      const settings = { sampleInterval: 2, historySize: 4, stateNameAsVariable: true };
      const states = new KeyedStates(
        backend,
        context.clock,
        new StateLatency(settings, context.clock, context.metrics),
      );
      return new Proxy(backend, {
        get(target, name): unknown {
          if (name === "state") return (descriptor: StateDescriptor) => states.open(descriptor as never);
          const member: unknown = Reflect.get(target, name, target);
          return typeof member === "function" ? member.bind(target) : member;
        },
      });
    },
  };
}

// What a plain handle does, a measured one does: every test of the contract, also those of errors [37].
keyedStateSuite("heap with measured handles [37]", measuring(heapBackendFactory));
keyedMapSuite("heap with measured handles [37]", measuring(heapBackendFactory));

/** Uses every kind of access once for each record. */
class Everything extends KeyedActor<string, number, number> {
  readonly #value = this.state(valueState<number>("v", { default: 0 }));
  readonly #list = this.state(listState<number>("l"));
  readonly #map = this.state(mapState<string, number>("m"));
  readonly #sum = this.state(reducingState<number>("r", (left, right) => left + right));
  readonly #count = this.state(aggregatingState("a", {
    create: () => 0,
    add: (count: number, _input: number) => count + 1,
    result: (count: number) => count,
    merge: (left: number, right: number) => left + right,
  }));

  override onMessage(n: number): void {
    this.#value.update(this.#value.value() + n);
    this.#list.update([n]);
    this.#list.add(n);
    this.#list.addAll([n]);
    const map = this.#map.set("a", n);
    map.setAll([["b", n]]);
    map.delete("c");
    if (!map.has("a") || map.isEmpty() || map.get("b") !== n || map.size !== 2) throw new Error("the map is wrong");
    const walked = [...map].length + [...map.entries()].length + [...map.keys()].length + [...map.values()].length;
    this.#sum.add(n);
    this.#count.add(n);
    this.emit(
      walked + this.#list.get().length + this.#value.value() + (this.#sum.get() ?? 0) + (this.#count.get() ?? 0),
    );
    if (n === 9) {
      for (const state of [this.#value, this.#list, this.#map, this.#sum, this.#count]) state.clear();
    }
  }
}

const ON = { "state.latency-track.keyed-state-enabled": true };

async function run(
  config: Readonly<Record<string, string | number | boolean>>,
): Promise<[EngineRun, readonly number[]]> {
  const out = collectSink<number>();
  const run = await startJob(
    (env: StreamEnvironment) =>
      env.fromSource("n", fromIterable(Array.from({ length: 20 }, (_, n) => n))).keyBy((n) => `${n % 2}`)
        .actor("everything", () => new Everything()).sinkTo("out", out),
    { config: { "pipeline.auto-watermark-interval": 0, ...config } },
  );
  await run.end();
  return [run, out.values];
}

/** Metrics of the operator `everything` that only latency tracking has. */
function latencies({ job }: EngineRun): MetricReading[] {
  return job.metrics.snapshot().filter(({ scope, name }) =>
    scope.kind === "operator" && scope.operatorName === "everything" && name.endsWith("Latency")
  );
}

/** What a histogram has counted. */
function samplesOf(readings: readonly MetricReading[], name: string): number | undefined {
  const reading = readings.find((one) => one.name === name);
  return reading?.type === "histogram" ? reading.value.count : undefined;
}

test("latency tracking is off by default: no metric, and the handle is the backend's own [37]", async () => {
  const [plain] = await run({});
  deepEqual(latencies(plain), []);
  await using backend: StateBackend = heapBackendFactory.create(backendContext());
  await backend.open([], { open: () => Promise.reject(new Error("there is nothing to read")) });
  const descriptor = valueState<number>("v");
  equal(
    new KeyedStates(backend, new ManualClock(), null).open(descriptor).constructor,
    backend.state(descriptor).constructor,
  );
});

test("latency tracking changes no result and reports what docs/metrics.md lists [37]", async () => {
  const [, expected] = await run({});
  const [measured, actual] = await run({ ...ON, "state.latency-track.sample-interval": 1 });
  deepEqual(actual, expected);
  equal(actual.length, 20);
  const readings = latencies(measured);
  const page = readFileSync(new URL("../../docs/metrics.md", import.meta.url), "utf8");
  const listed = [...page.matchAll(/^\| `state_name\.<state>\.(\w+)` \| histogram \| ns \|/gm)].map((row) => row[1]!);
  const reported = new Set(readings.map(({ name }) => name.replace(/^state_name\.\w\./, "")));
  deepEqual([...reported].sort(), listed.sort());
  // Each record reads the value twice; everything else is done once or a known number of times.
  equal(samplesOf(readings, "state_name.v.valueStateGetLatency"), 40);
  equal(samplesOf(readings, "state_name.v.valueStateUpdateLatency"), 20);
  equal(samplesOf(readings, "state_name.l.listStateAddAllLatency"), 20);
  equal(samplesOf(readings, "state_name.m.mapStateIteratorInitLatency"), 20);
  // Two entries and the end, four ways.
  equal(samplesOf(readings, "state_name.m.mapStateIteratorNextLatency"), 20 * 4 * 3);
  for (const state of ["v", "l", "m", "r", "a"]) {
    equal(samplesOf(readings, `state_name.${state}.stateClearLatency`), 1);
  }
});

test("latency tracking measures every so manieth access, the first of them, and keeps so many samples [37]", async () => {
  const [measured] = await run({ ...ON, "state.latency-track.sample-interval": 8 });
  const readings = latencies(measured);
  equal(samplesOf(readings, "state_name.v.valueStateGetLatency"), 5);
  equal(samplesOf(readings, "state_name.v.valueStateUpdateLatency"), 3);
  equal(samplesOf(readings, "state_name.v.stateClearLatency"), 1);
  const [few] = await run({ ...ON, "state.latency-track.sample-interval": 1, "state.latency-track.history-size": 3 });
  equal(samplesOf(latencies(few), "state_name.v.valueStateGetLatency"), 40);
});

test("latencies are nanoseconds of the monotonic clock", () => {
  const clock = new ManualClock({ tickMs: 0.25 });
  const metrics = new MetricRegistry("job").operator("v", "op", 0);
  const timer = new StateLatency({ sampleInterval: 1, historySize: 2, stateNameAsVariable: false }, clock, metrics)
    .timer("count", "valueStateGetLatency");
  timer.end(timer.begin());
  const histogram = metrics.histogram("count.valueStateGetLatency");
  equal(histogram.quantile(0.5), 250_000);
  // Two samples are kept: the first of three is gone.
  clock.tickMs = 1;
  for (let i = 0; i < 2; i++) timer.end(timer.begin());
  equal(histogram.count, 3);
  equal(histogram.quantile(0), 1_000_000);
  throws(() => metrics.histogram("none", { samples: 0 }), RangeError);
});

test("an access that fails is no sample, and the next ones are measured as before [37]", async () => {
  await using backend = heapBackendFactory.create(backendContext());
  await backend.open([], { open: () => Promise.reject(new Error("there is nothing to read")) });
  const metrics = new MetricRegistry("job").operator("v", "op", 0);
  const settings = { sampleInterval: 2, historySize: 8, stateNameAsVariable: false };
  const states = new KeyedStates(backend, new ManualClock(), new StateLatency(settings, new ManualClock(), metrics));
  const list = states.open(listState<number | null>("l"));
  throws(() => list.get());
  backend.setCurrentKey("a");
  throws(() => list.add(null), TypeError);
  for (let i = 0; i < 4; i++) list.add(i);
  deepEqual(list.get(), [0, 1, 2, 3]);
  equal(metrics.histogram("l.listStateAddLatency").count, 2);
});

test("a state with a time to live is measured above it, and lives as long as without [37]", async () => {
  const clock = new ManualClock();
  await using backend = heapBackendFactory.create(backendContext({ clock }));
  await backend.open([], { open: () => Promise.reject(new Error("there is nothing to read")) });
  const metrics = new MetricRegistry("job").operator("v", "op", 0);
  const settings = { sampleInterval: 1, historySize: 8, stateNameAsVariable: false };
  const states = new KeyedStates(backend, clock, new StateLatency(settings, clock, metrics));
  const value = states.open(valueState<number>("v", { default: 0, ttl: 100 }));
  backend.setCurrentKey("a");
  value.update(7);
  equal(value.value(), 7);
  clock.advance(200);
  states.endSlice(1);
  states.beginSlice();
  backend.setCurrentKey("a");
  equal(value.value(), 0);
  equal(metrics.histogram("v.valueStateGetLatency").count, 2);
  equal(metrics.histogram("v.valueStateUpdateLatency").count, 1);
});

test("latencies reach the HTTP API and Prometheus: the name of the state is a label, or part of the name", async () => {
  for (const asVariable of [true, false]) {
    const [{ job }] = await run({ ...ON, "state.latency-track.state-name-as-variable": asVariable });
    const rig = new ApiRig();
    rig.add(job);
    const vertex = job.status().vertices.find(({ operators }) => operators.some(({ name }) => name === "everything"))!;
    const id = `0.everything.${asVariable ? "state_name." : ""}v.valueStateGetLatency`;
    const answer = await rig.get(`/jobs/${job.id}/vertices/${vertex.id}/metrics?get=${id}_count,${id}_p95`);
    ok(Array.isArray(answer));
    deepEqual(answer.map((one) => one.id), [`${id}_count`, `${id}_p95`]);
    equal(answer[0].value, "1");
    const { body } = await rig.ask("/metrics");
    const name = `flink_taskmanager_job_task_operator_${asVariable ? "state_name" : "v"}_valueStateGetLatency`;
    const line = String(body).split("\n").find((one) => one.startsWith(`${name}{`) && one.includes('quantile="0.95"'));
    ok(line !== undefined, `no ${name}`);
    if (asVariable) match(String(body), new RegExp(`^${name}_count\\{[^}]*state_name="v"[^}]*\\} 1$`, "m"));
    else ok(!line.includes("state_name"));
  }
});

test("latency tracking is set by the names of Flink 1.18 as well", async () => {
  const [measured] = await run({
    "state.backend.latency-track.keyed-state-enabled": true,
    "state.backend.latency-track.sample-interval": 10,
    "state.backend.latency-track.history-size": 5,
    "state.backend.latency-track.state-name-as-variable": false,
  });
  equal(samplesOf(latencies(measured), "v.valueStateGetLatency"), 4);
});
