/** Restored state whose serializer has changed. */
import { deepEqual, equal, throws } from "node:assert/strict";
import { test } from "node:test";
import type { StateBackend, StateBackendFactory } from "../../core/backend.ts";
import { listState, mapState, reducingState, valueState } from "../../core/descriptors.ts";
import { f64, type Serializer } from "../../core/serializer.ts";
import type { KeyedStateHandle } from "../../core/snapshot.ts";
import { BackendRig } from "./backend_rig.ts";
import { TextNumber } from "./snapshot_sample.ts";

/** Items 50, 52. */
export function serializerSuite(name: string, factory: StateBackendFactory): void {
  const kinds = (serializer: Serializer<number>) =>
    [
      valueState<number>("v", { serializer }),
      listState<number>("l", { serializer }),
      reducingState<number>("r", (left, right) => left + right, { serializer }),
      mapState<string, number>("m", { serializer }),
    ] as const;

  async function written(rig: BackendRig, serializer: Serializer<number>): Promise<KeyedStateHandle | null> {
    await using backend = await rig.open();
    const [value, list, sum, map] = kinds(serializer);
    backend.setCurrentKey("a");
    backend.state(value).update(1);
    backend.state(list).addAll([1, 2]);
    backend.state(sum).add(3);
    backend.state(map).set("x", 4);
    return await rig.snapshot(backend);
  }

  test(`${name}: restored state with an incompatible serializer is refused, for each kind [50]`, async () => {
    await using rig = new BackendRig(factory);
    const handle = await written(rig, f64);
    for (const descriptor of kinds(new TextNumber(1))) {
      await using restored = await rig.open([handle]);
      throws(() => restored.keys(descriptor)[Symbol.iterator]().next(), /"text-number" version 1/);
      throws(() => restored.state(listState("v")), /it is value state already/);
    }
  });

  test(`${name}: values of an older version are migrated, and written in the new one [52]`, async () => {
    await using rig = new BackendRig(factory);
    const handle = await written(rig, new TextNumber(1));
    await using restored = await rig.open([handle]);
    const check = (backend: StateBackend, serializer: TextNumber): void => {
      const [value, list, sum, map] = kinds(serializer);
      backend.setCurrentKey("a");
      equal(backend.state(value).value(), 1);
      deepEqual(backend.state(list).get(), [1, 2]);
      equal(backend.state(sum).get(), 3);
      equal(backend.state(map).get("x"), 4);
    };
    check(restored, new TextNumber(2));
    // Version 2 alone can read this: nothing of version 1 is left.
    await using again = await rig.open([await rig.snapshot(restored)]);
    check(again, new TextNumber(2, 2));
  });
}
