/** State with a time to live behind a changelog: stamps go through the log, and what is over stays over. */
import { deepEqual } from "node:assert/strict";
import { test } from "node:test";
import { changelogFactory } from "../../backends/changelog/changelog_factory.ts";
import { TtlStates } from "../../backends/ttl/ttl_states.ts";
import type { StateBackend } from "../../core/backend.ts";
import { aggregatingState, listState, mapState, reducingState, valueState } from "../../core/descriptors.ts";
import { BACKENDS, INTERVAL_MS, LoggedRig } from "./changelog_rig.ts";

const TTL = { ttl: 1_000_000 };
const VALUE = valueState<number>("value", TTL);
const LIST = listState<number>("list", TTL);
const MAP = mapState<string, number>("map", TTL);
const SUM = reducingState<number>("sum", (left, right) => left + right, TTL);
const MEAN = aggregatingState("mean", {
  create: () => ({ sum: 0, count: 0 }),
  add: ({ sum, count }, input: number) => ({ sum: sum + input, count: count + 1 }),
  result: ({ sum, count }) => sum / count,
  merge: (left, right) => ({ sum: left.sum + right.sum, count: left.count + right.count }),
}, TTL);

/** The states of a backend, as an operator opens them. */
function statesOf(rig: LoggedRig, backend: StateBackend): { write(n: number): void; read(): unknown } {
  const states = new TtlStates(backend, () => rig.clock.nowMs());
  const [value, list, map] = [states.state(VALUE), states.state(LIST), states.state(MAP)];
  const [sum, mean] = [states.state(SUM), states.state(MEAN)];
  const enter = () => {
    backend.setCurrentKey("k");
    states.beginSlice();
  };
  return {
    write: (n) => {
      enter();
      value.update(n);
      list.add(n);
      map.set(`m${n}`, n);
      sum.add(n);
      mean.add(n);
    },
    read: () => {
      enter();
      return [value.value(), list.get(), [...map].sort(), sum.get(), mean.get()];
    },
  };
}

for (const [name, inner] of BACKENDS) {
  for (const hasMaterialization of [false, true]) {
    const from = hasMaterialization ? "a materialization and the log" : "the log alone";
    test(`state with a time to live over ${name}: each value keeps its time through ${from} [101] [258]`, async () => {
      await using rig = new LoggedRig(inner);
      const backend = await rig.openLogged(inner);
      const startMs = rig.clock.nowMs();
      const states = statesOf(rig, backend);
      states.write(2);
      if (hasMaterialization) await rig.pass(INTERVAL_MS);
      rig.clock.advance(startMs + 400_000 - rig.clock.nowMs());
      states.write(4);
      const image = states.read();
      deepEqual(image, [4, [2, 4], [["m2", 2], ["m4", 4]], 6, 3]);
      const handle = await rig.snapshot(backend, { id: 1, confirm: true });
      for (const [, other] of BACKENDS) {
        const restored = await rig.open([handle], { factory: changelogFactory(other) });
        deepEqual(statesOf(rig, restored).read(), image);
      }
      // What was written first is over, what was folded since then is not.
      rig.clock.advance(startMs + 1_200_000 - rig.clock.nowMs());
      for (const [, other] of BACKENDS) {
        const restored = await rig.open([handle], { factory: changelogFactory(other) });
        const again = statesOf(rig, restored);
        deepEqual(again.read(), [4, [4], [["m4", 4]], 6, 3]);
        // A read that removes is a change.
        const later = await rig.open([await rig.snapshot(restored)], { factory: changelogFactory(other) });
        deepEqual(statesOf(rig, later).read(), again.read());
      }
      rig.clock.advance(startMs + 1_500_000 - rig.clock.nowMs());
      const last = await rig.open([handle], { factory: changelogFactory(inner) });
      deepEqual(statesOf(rig, last).read(), [null, [], [], null, null]);
    });
  }
}
