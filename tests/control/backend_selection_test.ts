/** Which backend a job has, whoever says so, and what memory a job on the heap asks for. */
import { deepEqual, equal, match, ok, rejects } from "node:assert/strict";
import { test } from "node:test";
import { collectSink, heapBackend, lsmBackend, type StateBackendChoice, StreamEnvironment } from "../../mod.ts";
import { noRestart } from "../../runtime/restart_strategy.ts";
import { SeededRandom } from "../connectors/contexts.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { MemoryFileSystem } from "../support/memory_file_system.ts";
// Loads at once what a job loads on demand: no time passes in here while a module is read.
import "../../timers/embedded_timer_queue.ts";
import { EngineRun, ValveSource } from "../runtime/engine_harness.ts";
import { ApiRig } from "./http_rig.ts";

type Config = Readonly<Record<string, string | number | boolean>>;

/** Runs a job that counts by key; says which backend it had, and whether it worked on files. */
async function run(config: Config, stateBackend?: StateBackendChoice): Promise<{ backend: unknown; onDisk: boolean }> {
  const clock = new ManualClock({ startMs: 1_000_000, tickMs: 0.05 });
  const fileSystem = new MemoryFileSystem(() => clock.nowMs());
  const env = StreamEnvironment.create({
    argv: [],
    config: { "state.backend.lsm.localdir": "/work", ...config },
    restart: noRestart(),
    ...(stateBackend === undefined ? {} : { stateBackend }),
    ports: { clock, random: new SeededRandom(1), fileSystem },
  });
  const source = new ValveSource([["a", "b", "a"]]);
  const out = collectSink<number>();
  env.fromSource("words", source).keyBy((word) => word).process("count", {
    onMessage: (_word, context: { emit(value: number): void }) => context.emit(1),
  }).keyBy((n) => n).reduce("sum", (left, right) => left + right).sinkTo("out", out);
  const job = await env.executeAsync("count");
  const engine = new EngineRun(job, clock);
  source.openTo(3);
  await engine.rounds(50);
  const rig = new ApiRig();
  rig.add(job);
  const shown = await rig.get(`/jobs/${job.id}/checkpoints/config`) as Readonly<Record<string, unknown>>;
  const onDisk = await fileSystem.status("/work") !== null && (await fileSystem.list("/work")).length > 0;
  source.finish();
  await engine.end();
  deepEqual(out.values, [1, 2, 3]);
  return { backend: shown.state_backend, onDisk };
}

test("state is on the heap unless the configuration names another backend", async () => {
  deepEqual(await run({}), { backend: "hashmap", onDisk: false });
  for (const word of ["hashmap", "jobmanager", "filesystem"]) {
    deepEqual(await run({ "state.backend.type": word }), { backend: "hashmap", onDisk: false }, word);
  }
  for (const word of ["lsm", "rocksdb"]) {
    deepEqual(await run({ "state.backend.type": word }), { backend: "lsm", onDisk: true }, word);
    deepEqual(await run({ "state.backend": word }), { backend: "lsm", onDisk: true }, word);
  }
});

test("the backend that a job has in code wins over the configuration", async () => {
  deepEqual(await run({ "state.backend.type": "lsm" }, heapBackend()), { backend: "hashmap", onDisk: false });
  deepEqual(await run({ "state.backend.type": "hashmap" }, lsmBackend()), { backend: "lsm", onDisk: true });
});

test("a job on the heap needs no managed memory: 0 is right for it, and refused where state is on disk", async () => {
  equal((await run({ "taskmanager.memory.managed.size": 0 })).backend, "hashmap");
  await rejects(run({ "taskmanager.memory.managed.size": 0, "state.backend.type": "lsm" }), (error) => {
    ok(error instanceof Error);
    match(error.message, /taskmanager\.memory\.managed\.size/);
    return true;
  });
});
