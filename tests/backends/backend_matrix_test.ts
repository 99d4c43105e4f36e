/** Every backend restores the checkpoints of every backend, timers included, also with another parallelism. */
import { deepEqual, equal } from "node:assert/strict";
import { test } from "node:test";
import type { StateBackend } from "../../core/backend.ts";
import { listState, mapState, reducingState, valueState } from "../../core/descriptors.ts";
import { keyGroupOf, keyGroupRangeOf, operatorIndexOf } from "../../core/key_groups.ts";
import type { KeyedStateHandle } from "../../core/snapshot.ts";
import { BackendRig } from "../contracts/backend_rig.ts";
import { type BackendVariant, backendVariants } from "../support/backend_variants.ts";
import { type Timers, timersOf } from "../support/stored_timers.ts";

const GROUPS = 128;
const KEYS = 120;
const VALUE = valueState<{ n: number }>("value");
const ITEMS = listState<string>("items");
const CELLS = mapState<string, number>("cells");
const SUM = reducingState<number>("sum", (left, right) => left + right);

const VARIANTS = await backendVariants(262_144);

/** Subtasks that together own all key groups. */
class Team {
  private constructor(readonly members: readonly { readonly backend: StateBackend; readonly timers: Timers }[]) {}

  static async open(
    rig: BackendRig,
    variant: BackendVariant,
    parallelism: number,
    handles: readonly (KeyedStateHandle | null)[],
  ): Promise<Team> {
    const members = [];
    for (let i = 0; i < parallelism; i++) {
      const keyGroups = keyGroupRangeOf(i, { parallelism, maxParallelism: GROUPS });
      const backend = await rig.open(handles, { keyGroups, incremental: true, factory: variant.factory });
      members.push({ backend, timers: timersOf(backend, variant) });
    }
    return new Team(members);
  }

  /** Writes all kinds of state of each key; every third key is cleared in its turn. */
  write(round: number): void {
    for (let i = 0; i < KEYS; i++) {
      const { backend, timers, group } = this.at(i);
      if ((i + round) % 3 === 0) {
        backend.state(VALUE).clear();
        backend.state(SUM).clear();
        backend.state(ITEMS).clear();
        backend.state(CELLS).clear();
      }
      backend.state(VALUE).update({ n: round * 1000 + i });
      backend.state(ITEMS).addAll([`${round}`, `${i}`]);
      backend.state(CELLS).set(`c${round}`, round).set("fixed", round).delete(`c${round - 2}`);
      backend.state(SUM).add(round);
      const named = backend.state(VALUE);
      named.setNamespace(["w", round % 2]);
      named.update({ n: -round });
      timers.set(group, i * 10 + round, true);
      timers.set(group, i * 10 + round - 1, false);
    }
  }

  /** What each key holds. */
  image(): unknown[] {
    const seen: unknown[] = [];
    for (let i = 0; i < KEYS; i++) {
      const { backend, timers, group } = this.at(i);
      const named = backend.state(VALUE);
      named.setNamespace(["w", 1]);
      seen.push([
        backend.state(VALUE).value(),
        named.value(),
        backend.state(ITEMS).get(),
        [...backend.state(CELLS)].sort(),
        backend.state(SUM).get(),
        timers.numbers(group),
      ]);
    }
    return seen;
  }

  private at(i: number): { backend: StateBackend; timers: Timers; group: number } {
    const parallelism = this.members.length;
    const group = keyGroupOf(`k${i}`, GROUPS);
    const member = this.members[operatorIndexOf(group, { parallelism, maxParallelism: GROUPS })]!;
    member.backend.setCurrentKey(`k${i}`);
    return { ...member, group };
  }

  async snapshot(rig: BackendRig, id: number): Promise<(KeyedStateHandle | null)[]> {
    const handles = [];
    for (const { backend } of this.members) handles.push(await rig.snapshot(backend, { id, confirm: true }));
    return handles;
  }
}

async function move(from: BackendVariant, to: BackendVariant, before: number, after: number): Promise<void> {
  await using rig = new BackendRig(from.factory);
  const one = await Team.open(rig, from, before, []);
  for (const round of [1, 2]) {
    one.write(round);
    await one.snapshot(rig, round);
  }
  one.write(3);
  const two = await Team.open(rig, to, after, await one.snapshot(rig, 3));
  deepEqual(two.image(), one.image());
  for (const round of [4, 5]) {
    one.write(round);
    two.write(round);
    await two.snapshot(rig, round);
  }
  const expected = one.image();
  const three = await Team.open(rig, from, before, await two.snapshot(rig, 6));
  deepEqual(three.image(), expected);
  equal(three.members.reduce((sum, { backend }) => sum + backend.entryCount, 0), KEYS * 6);
}

for (const from of VARIANTS) {
  for (const to of VARIANTS) {
    test(`${from.name} restores what ${to.name} has written, and the other way round [57] [58] [59]`, async () => {
      await move(from, to, 1, 1);
      await move(from, to, 2, 3);
    });
  }
}
