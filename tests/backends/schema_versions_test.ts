/** Schema versions in sorted runs: the golden file of version 3, and what the state table says after migrations. */
import { deepEqual, equal, throws } from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { heapBackendFactory } from "../../backends/heap/heap_backend.ts";
import { OpenRun } from "../../backends/runs/open_run.ts";
import { listState, valueState } from "../../core/descriptors.ts";
import { f64 } from "../../core/serializer.ts";
import type { KeyedStateHandle } from "../../core/snapshot.ts";
import { BackendRig } from "../contracts/backend_rig.ts";
import { backendVariants } from "../support/backend_variants.ts";

const GOLDEN = fileURLToPath(new URL("../golden/run_v1_schema3.bin", import.meta.url));
const PLACE = valueState<{ town: string }>("place", { version: 3 });
const COUNTS = listState<number>("counts", { version: 2, serializer: f64 });
const PLAIN = valueState<string>("plain");

/** The state in the golden file: never change it. */
async function goldenSnapshot(rig: BackendRig): Promise<KeyedStateHandle> {
  await using backend = await rig.open();
  for (let i = 0; i < 40; i++) {
    backend.setCurrentKey(`k${i}`);
    backend.state(PLACE).update({ town: `t${i}` });
    backend.state(COUNTS).addAll([i, -i - 1]);
    backend.state(PLAIN).update(`p${i}`);
  }
  return (await rig.snapshot(backend))!;
}

for (const { name, factory } of await backendVariants(262_144)) {
  test(`${name} reads the golden run with values of schema version 3, as they are and migrated to 4 [77]`, async () => {
    await using rig = new BackendRig(factory);
    await using heap = new BackendRig(heapBackendFactory);
    const handle = await goldenSnapshot(heap);
    const golden = new Uint8Array(readFileSync(GOLDEN));
    deepEqual([...[...heap.files.files.values()][0]!], [...golden]);
    rig.files.files.set("run-0", golden);
    await using same = await rig.open([handle]);
    await using migrated = await rig.open([handle]);
    const seen = new Set<number>();
    const next = valueState<string>("place", {
      version: 4,
      migrate: (old, fromVersion) => {
        seen.add(fromVersion);
        return (old as { town: string }).town; // as version 3 has it
      },
    });
    for (let i = 0; i < 40; i++) {
      same.setCurrentKey(`k${i}`);
      deepEqual(same.state(PLACE).value(), { town: `t${i}` });
      deepEqual(same.state(COUNTS).get(), [i, -i - 1]);
      migrated.setCurrentKey(`k${i}`);
      equal(migrated.state(next).value(), `t${i}`);
      equal(migrated.state(PLAIN).value(), `p${i}`);
    }
    deepEqual([...seen], [3]);
    throws(() => migrated.state(listState("counts", { serializer: f64 })), /schema version 2, which is later than 1/);
  });
}

/** Twice as many bytes as the slot has memory. */
const MANY = 4_000;

for (const { name, factory } of await backendVariants(262_144)) {
  for (const incremental of [true, false]) {
    const how = incremental ? "increments" : "full snapshots";
    test(`${name} migrates more state than fits into memory, twice, with records and ${how} in between [77] [87]`, async () => {
      await using rig = new BackendRig(factory);
      const text = (i: number, round: number) => `${i}/${round}/`.padEnd(100, "x");
      const states = (version: number) => {
        const migrate = (old: unknown, from: number) => {
          const parts = old as unknown[]; // as every version has it
          equal(parts.length, from);
          return [...parts, ...Array.from({ length: version - from }, () => "new")];
        };
        const options = version === 1 ? {} : { version, migrate };
        return [valueState<unknown[]>("value", options), listState<unknown[]>("list", options)] as const;
      };
      let handle: KeyedStateHandle | null = null;
      for (const version of [1, 2, 4]) {
        await using backend = await rig.open([handle], { incremental });
        const [value, list] = states(version);
        const [values, lists] = [backend.state(value), backend.state(list)];
        await rig.clock.runUntil(backend.finishRestore!());
        const filler = (written: number) => Array.from({ length: version - written }, () => "new");
        for (let i = 0; i < MANY; i++) {
          backend.setCurrentKey(`k${i}`);
          if (version > 1) {
            const before = version === 2 ? [1] : [1, 2];
            const last = i % 2 === 0 ? before[before.length - 1]! : 1;
            const first = [text(i, last), ...Array.from({ length: last - 1 }, () => "own")];
            deepEqual(values.value(), [...first, ...filler(last)]);
            deepEqual(lists.get().map((item) => item[0]), before.filter((one) => one === 1 || i % 2 === 0));
          }
          if (version > 1 && i % 2 === 1) continue;
          values.update([text(i, version), ...Array.from({ length: version - 1 }, () => "own")]);
          lists.add([version, ...Array.from({ length: version - 1 }, () => "own")]);
          if (i % 1_000 === 0) await rig.snapshot(backend, { confirm: true });
        }
        await rig.clock.runUntil(backend.backpressure?.() ?? Promise.resolve());
        handle = await rig.snapshot(backend, { confirm: true });
      }
      await using last = await rig.open([handle]);
      const [value] = states(4);
      equal([...last.keys(value)].length, MANY);
    });
  }
}

test("the state table of a run has the schema version of each state [87]", async () => {
  await using rig = new BackendRig(heapBackendFactory);
  const handle = await goldenSnapshot(rig);
  const run = await OpenRun.openSnapshot(handle.runs[0]!, rig.files);
  deepEqual(
    run.states.map(({ name, serializerId, schemaVersion }) => [name, serializerId, schemaVersion]),
    [["place", "auto", 3], ["counts", "f64", 2], ["plain", "auto", 1]],
  );
  run.close();
});
