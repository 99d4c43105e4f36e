/**
 * Random histories of a backend with a changelog: writes, checkpoints that overlap, are confirmed, aborted or never heard
 * of, savepoints, materializations, files that cannot be written. Each checkpoint that was written holds what was there at
 * its barrier, as long as a later one has not been confirmed; the files of confirmed ones are all there.
 */
import { deepEqual } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { changelogFactory } from "../../backends/changelog/changelog_factory.ts";
import { embeddedBackendFactory } from "../../backends/embedded/embedded_backend_factory.ts";
import { heapBackendFactory } from "../../backends/heap/heap_backend.ts";
import { lsmRowStoreFactory } from "../../backends/lsm/lsm_store.ts";
import type { StateBackend, StateBackendFactory } from "../../core/backend.ts";
import { aggregatingState, listState, mapState, reducingState, valueState } from "../../core/descriptors.ts";
import type { KeyedStateHandle, SnapshotStore } from "../../core/snapshot.ts";
import { ALL, BackendRig } from "../contracts/backend_rig.ts";
import { backendContext } from "../support/backend_context.ts";
import { HeapRows } from "../support/heap_rows.ts";
import { scaled } from "../support/scale.ts";

const VALUE = valueState<number>("value");
const LIST = listState<number>("list");
const MAP = mapState<string, number>("map");
const SUM = reducingState<number>("sum", (left, right) => left + right);
const MEAN = aggregatingState("mean", {
  create: () => ({ sum: 0, count: 0 }),
  add: ({ sum, count }, input: number) => ({ sum: sum + input, count: count + 1 }),
  result: ({ sum, count }) => sum / count,
  merge: (left, right) => ({ sum: left.sum + right.sum, count: left.count + right.count }),
});
const KEYS = ["a", "b", "c", "d"];
const SPACES = ["x", "y"];

type Step =
  | { readonly step: "write"; readonly what: number; readonly key: number; readonly space: number; readonly n: number }
  | { readonly step: "checkpoint"; readonly fate: "confirm" | "abort" | "open" | "late"; readonly full: boolean }
  | { readonly step: "pass" }
  | { readonly step: "fail"; readonly count: number }
  | { readonly step: "restore" };

/** One write; the same on every backend. */
function write(
  backend: StateBackend,
  timers: HeapRows,
  { what, key, space, n }: Step & { readonly step: "write" },
): void {
  const [own, other] = space === 0 ? [SPACES[0]!, SPACES[1]!] : [SPACES[1]!, SPACES[0]!];
  backend.setCurrentKey(KEYS[key]!);
  const [value, list, map] = [backend.state(VALUE), backend.state(LIST), backend.state(MAP)];
  const [sum, mean] = [backend.state(SUM), backend.state(MEAN)];
  for (const state of [value, list, map, sum, mean]) state.setNamespace(own);
  const moves: (() => unknown)[] = [
    () => value.update(n),
    () => value.clear(),
    () => list.add(n),
    () => list.addAll([n, n + 1]),
    () => list.update([n]),
    () => list.clear(),
    () => map.set(`m${n % 3}`, n),
    () => map.delete(`m${n % 3}`),
    () => map.clear(),
    () => sum.add(n),
    () => mean.add(n),
    () => sum.clear(),
    () => mean.clear(),
    () => list.mergeNamespaces(own, [other]),
    () => sum.mergeNamespaces(own, [other]),
    () => mean.mergeNamespaces(own, [other, own]),
    () => backend.applyToAllKeys(VALUE, own, (each) => each === "a" ? value.clear() : value.update(n)),
    () => timers.set(3, n % 5, true),
    () => timers.set(3, n % 5, false),
  ];
  moves[what % moves.length]!();
}

/** All that there is. */
function imageOf(backend: StateBackend, timers: HeapRows): unknown {
  const image: unknown[] = [timers.numbers(3)];
  for (const key of KEYS) {
    for (const space of SPACES) {
      backend.setCurrentKey(key);
      const [value, list, map] = [backend.state(VALUE), backend.state(LIST), backend.state(MAP)];
      const [sum, mean] = [backend.state(SUM), backend.state(MEAN)];
      for (const state of [value, list, map, sum, mean]) state.setNamespace(space);
      image.push([key, space, value.value(), list.get(), [...map].sort(), sum.get(), mean.get()]);
    }
  }
  return image;
}

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 14,
    arbitrary: fc.record({
      step: fc.constant("write" as const),
      what: fc.nat(200),
      key: fc.nat(KEYS.length - 1),
      space: fc.nat(1),
      n: fc.nat(30),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      step: fc.constant("checkpoint" as const),
      fate: fc.constantFrom("confirm" as const, "confirm" as const, "abort" as const, "open" as const, "late" as const),
      full: fc.constantFrom(false, false, false, true),
    }),
  },
  { weight: 3, arbitrary: fc.record({ step: fc.constant("pass" as const) }) },
  { weight: 2, arbitrary: fc.record({ step: fc.constant("fail" as const), count: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ step: fc.constant("restore" as const) }) },
);

/** One history. */
async function play(inner: StateBackendFactory, steps: readonly Step[], inlineBytes: number): Promise<void> {
  await using rig = new BackendRig(inner);
  const { clock, files } = rig;
  let failures = 0;
  const sharedStore: SnapshotStore = {
    create: (scope) => failures-- > 0 ? Promise.reject(new Error("no room")) : files.create(scope),
    discard: (file) => Promise.resolve(void (file.scope !== "inline" && files.files.delete(file.name))),
  };
  const factory = changelogFactory(inner, { intervalMs: 100, toleratedFailures: 1_000, maxAttempts: 1, inlineBytes });
  const opened: StateBackend[] = [];
  let ids = 0;
  const open = async (handle: KeyedStateHandle | null) => {
    const random = { next: () => 0.5, id: () => `model${ids++}`.padStart(32, "0") };
    const { fileSystem } = rig;
    const context = { keyGroups: ALL, clock, fileSystem, random, incremental: true, sharedStore };
    const backend = factory.create(backendContext(context));
    opened.push(backend);
    await clock.runUntil(backend.open(handle === null ? [] : [handle], files));
    const timers = new HeapRows();
    backend.attach(timers);
    return { backend, timers };
  };
  const settle = async () => {
    for (let i = 0; i < 12; i++) {
      await clock.settle();
      clock.runDeferred();
    }
  };
  let { backend, timers } = await open(null);
  let id = 0;
  let late: (() => void)[] = [];
  let last: { readonly handle: KeyedStateHandle | null; readonly image: unknown } = {
    handle: null,
    image: imageOf(backend, timers),
  };
  for (const each of steps) {
    if (each.step === "write") write(backend, timers, each);
    else if (each.step === "fail") failures = each.count;
    else if (each.step === "pass") {
      clock.advance(100);
      await settle();
    } else if (each.step === "restore") {
      await backend.close();
      ({ backend, timers } = await open(last.handle));
      late = [];
      deepEqual(imageOf(backend, timers), last.image);
    } else {
      for (const confirm of late.splice(0)) confirm();
      const checkpointId = ++id;
      const image = imageOf(backend, timers);
      const writing = backend.snapshot({ checkpointId, full: each.full }).write(files);
      const handle = await clock.runUntil(writing).catch((error: unknown) => error);
      if (handle instanceof Error) {
        backend.abort(checkpointId);
        continue;
      }
      // What `write` resolves to, as it has not failed.
      const written = handle as KeyedStateHandle | null;
      const { backend: restored, timers: again } = await open(written);
      deepEqual(imageOf(restored, again), image);
      await restored.close();
      const current = backend;
      const confirm = () => {
        current.confirm(checkpointId);
        last = { handle: written, image };
      };
      if (each.fate === "confirm") confirm();
      else if (each.fate === "abort") backend.abort(checkpointId);
      else if (each.fate === "late") late.push(confirm);
    }
  }
  await backend.close();
  const { backend: restored, timers: again } = await open(last.handle);
  deepEqual(imageOf(restored, again), last.image);
  for (const one of opened) await one.close();
}

const memory = { bytes: 65_536, writeBufferRatio: 0.5, highPriorityPoolRatio: 0.1 };
const SMALL = { blockBytes: 512, targetFileBytes: 8192, levelBaseBytes: 32_768 };
const BACKENDS: readonly (readonly [string, StateBackendFactory])[] = [
  ["heap", heapBackendFactory],
  ["lsm", embeddedBackendFactory(lsmRowStoreFactory(SMALL), { memory, directory: "/state" })],
];

for (const [name, inner] of BACKENDS) {
  test(
    `changelog over ${name}: random histories restore to what was there [258] [260]`,
    { timeout: 60_000 },
    async () => {
      const property = fc.asyncProperty(
        fc.array(step, { minLength: 1, maxLength: 60, size: "max" }),
        fc.constantFrom(0, 0, 300),
        (steps, inlineBytes) => play(inner, steps, inlineBytes),
      );
      await fc.assert(property, { numRuns: scaled(80, 1_000) });
    },
  );
}
