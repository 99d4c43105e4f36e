import { deepEqual, equal, match, ok } from "node:assert/strict";
import { test } from "node:test";
import type { MemoryReport } from "../../core/backend_memory.ts";
import { callbackSink, generator, KeyedActor, lsmBackend, StreamEnvironment, valueState } from "../../mod.ts";
import { ApiRig } from "./http_rig.ts";
import { JOB, OTHER_JOB, sampleView, ScriptedJob } from "./scripted_job.ts";

const REPORT: MemoryReport = {
  backend: "lsm",
  totalBytes: 1_000,
  usedBytes: 300,
  slots: [{
    slotIndex: 0,
    capBytes: 1_000,
    usedBytes: 300,
    writeBuffers: { limitBytes: 500, usedBytes: 200, peakBytes: 510, overshootBytes: 10, arenaBytes: 512 },
    blockCache: {
      limitBytes: 500,
      heldBytes: 100,
      blockBytes: 40,
      pinnedBytes: 5,
      indexAndFilterBytes: 30,
      reservedBytes: 50,
      scratchBytes: 7,
    },
    operators: [
      { operatorName: "counts", activeBytes: 150, frozenBytes: 30, keptBytes: 20, indexAndFilterBytes: 30 },
    ],
  }],
};

test("GET /jobs/:id/memory says who holds how many bytes, and nothing of state on the heap", async () => {
  const rig = new ApiRig();
  const job = new ScriptedJob();
  rig.add(job);
  deepEqual(await rig.get(`/jobs/${JOB}/memory`), { backend: "hashmap", totalBytes: 0, usedBytes: 0, slots: [] });
  job.memory = REPORT;
  deepEqual(await rig.get(`/jobs/${JOB}/memory`), REPORT);
  job.memory = { ...REPORT, slots: [{ ...REPORT.slots[0]!, blockCache: null }] };
  deepEqual(await rig.get(`/jobs/${JOB}/memory`), job.memory);
  equal((await rig.ask(`/jobs/${OTHER_JOB}/memory`)).status, 404);
});

test("managed memory of all jobs together is a metric of the process under Flink's names", async () => {
  const rig = new ApiRig();
  const jobs = [new ScriptedJob(), new ScriptedJob(sampleView(OTHER_JOB, "other"))];
  for (const job of jobs) {
    rig.add(job);
    job.memory = REPORT;
  }
  const ids = ["Status.Flink.Memory.Managed.Used", "Status.Flink.Memory.Managed.Total"];
  deepEqual(await rig.get(`/taskmanagers/local/metrics?get=${ids.join(",")}`), [
    { id: ids[0], value: "600" },
    { id: ids[1], value: "2000" },
  ]);
  const manager = await rig.get("/taskmanagers/local");
  match(JSON.stringify(manager), /"managedMemory":2000/);
  match(String((await rig.ask("/metrics")).body), /Status_Flink_Memory_Managed_Used\S* 600/);
});

class Last extends KeyedActor<number, number, number> {
  readonly #last = this.state(valueState<number>("last"));
  override onMessage(value: number): void {
    this.#last.update(value);
    this.emit(value);
  }
}

test("memoryReport() of a job names its operators slot by slot while it runs, and none when it has ended", async () => {
  const env = StreamEnvironment.create({
    argv: [],
    stateBackend: lsmBackend({ memoryPerSlot: "1 mb" }),
    config: { "parallelism.default": 2 },
  });
  let seen = 0;
  const flowing = new Promise<void>((resolve) => {
    env.fromSource("numbers", generator({ create: (index) => index }))
      .keyBy((n) => n).actor("last", () => new Last())
      .sinkTo("out", callbackSink(() => void (++seen === 2_000 && resolve())));
  });
  const job = await env.executeAsync("memory report");
  await flowing;
  const { backend, totalBytes, usedBytes, slots } = job.memoryReport();
  deepEqual([backend, totalBytes], ["lsm", 2 * 1024 ** 2]);
  deepEqual(slots.map(({ operators }) => operators.map(({ operatorName }) => operatorName)), [["last"], ["last"]]);
  ok(slots.every(({ operators }) => operators[0]!.activeBytes > 0));
  ok(usedBytes > 0 && usedBytes <= totalBytes);
  job.cancel();
  await job.result;
  deepEqual(job.memoryReport(), { backend: "lsm", totalBytes: 0, usedBytes: 0, slots: [] });
});
