/** Canonical snapshots of every backend, with timers where they live with it; and the golden file of the form. */
import { deepEqual, equal } from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import type { StateBackend } from "../../core/backend.ts";
import { aggregatingState, listState, mapState, reducingState, valueState } from "../../core/descriptors.ts";
import type { Key } from "../../core/key.ts";
import { f64, str } from "../../core/serializer.ts";
import type { KeyedStateHandle } from "../../core/snapshot.ts";
import { BackendRig } from "../contracts/backend_rig.ts";
import { bytesOf, canonicalSnapshotSuite } from "../contracts/canonical_snapshot.ts";
import { type BackendVariant, backendVariants } from "../support/backend_variants.ts";
import { type Timers, timersOf } from "../support/stored_timers.ts";

// So little memory that rows are on disk, and in several files.
const VARIANTS = await backendVariants(65_536);

for (const variant of VARIANTS) canonicalSnapshotSuite(variant, VARIANTS);

const GOLDEN = fileURLToPath(new URL("../golden/canonical_v1.bin", import.meta.url));
const KEYS: readonly Key[] = [
  "plain",
  "",
  "\ud800 alone",
  0,
  -1.5,
  2 ** 60,
  0n,
  -(2n ** 70n),
  true,
  false,
  Uint8Array.of(0, 1),
  [1, ["x"]],
];

const VALUE = valueState<unknown>("value");
const NUMBER = valueState<number>("Number", { serializer: f64 });
const LIST = listState<string>("list", { serializer: str });
const MAP = mapState<Key, unknown>("map");
const SUM = reducingState<number>("sum", (left, right) => left + right);
const JOINED = aggregatingState<string, string, string>("älter", {
  create: () => "",
  add: (value, joined) => joined + value,
  result: (joined) => joined,
  merge: (left, right) => left + right,
});
const EMPTY = valueState<number>("empty");

/** The state of the golden file: never change it. */
function writeGolden(backend: StateBackend, timers: Timers): void {
  backend.setCurrentKey("nobody");
  backend.state(EMPTY).clear();
  KEYS.forEach((key, i) => {
    backend.setCurrentKey(key);
    const value = backend.state(VALUE);
    value.update([i, "text", { nested: [null, true] }, 10n ** 20n][i % 4]);
    value.setNamespace(["window", i]);
    value.update(-i);
    backend.state(NUMBER).update(i / 3);
    backend.state(LIST).addAll(["dropped"]);
    backend.state(LIST).update(Array.from({ length: i }, (_, at) => `${i}.${at}`));
    backend.state(MAP).set(key, i).set("fixed", [i]).delete(0);
    backend.state(SUM).add(i);
    backend.state(JOINED).add(`${i}`);
    timers.set(i, i * 100, true);
    timers.set(127, i, true);
  });
}

async function openedGolden(rig: BackendRig, variant: BackendVariant, handle: KeyedStateHandle | null = null) {
  const backend = await rig.open([handle], { factory: variant.factory });
  return { backend, timers: timersOf(backend, variant) };
}

for (const variant of VARIANTS) {
  test(`${variant.name}: the golden canonical run stays readable, and is written the same byte for byte [261]`, async () => {
    await using rig = new BackendRig(variant.factory);
    const origin = await openedGolden(rig, variant);
    writeGolden(origin.backend, origin.timers);
    const handle = (await rig.snapshot(origin.backend, { canonical: true }))!;
    const golden = new Uint8Array(readFileSync(GOLDEN));
    deepEqual([...bytesOf(rig, handle)], [...golden]);
    equal(handle.nextListNumber, 11);

    const { file } = handle.runs[0]!;
    if (file.scope !== "inline") rig.files.files.set(file.name, golden);
    const restored = await openedGolden(rig, variant, handle);
    deepEqual(imageOf(restored.backend), imageOf(origin.backend));
    deepEqual(restored.timers.numbers(127), [...KEYS.keys()]);
    deepEqual(restored.timers.numbers(3), [300]);
  });
}

function imageOf(backend: StateBackend): unknown[] {
  return KEYS.map((key, i) => {
    backend.setCurrentKey(key);
    const named = backend.state(VALUE);
    named.setNamespace(["window", i]);
    return [
      backend.state(VALUE).value(),
      named.value(),
      backend.state(NUMBER).value(),
      backend.state(LIST).get(),
      backend.state(MAP).get(key),
      backend.state(MAP).get("fixed"),
      backend.state(SUM).get(),
      backend.state(JOINED).get(),
    ];
  });
}
