/** State with a time to live, on any backend: what reads see, and what is removed by them. */
import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { test } from "node:test";
import { TtlStates } from "../../backends/ttl/ttl_states.ts";
import type { StateBackend, StateBackendFactory } from "../../core/backend.ts";
import {
  type AggregateFunction,
  aggregatingState,
  listState,
  mapState,
  reducingState,
  valueState,
} from "../../core/descriptors.ts";
import type { Namespace } from "../../core/key.ts";
import type { Namespaced } from "../../core/state.ts";
import { stateTtl, type TtlSettings } from "../../core/state_ttl.ts";
import { BackendRig } from "./backend_rig.ts";

/** Time to live in the suites, milliseconds. */
export const TTL_MS = 100;
/** Removed by reads alone, so that a test sees which read does it. */
export const BY_READS = { cleanup: { fullSnapshot: false, incremental: false, compaction: false } } as const;

const SUM: AggregateFunction<number, { sum: number }, number> = {
  create: () => ({ sum: 0 }),
  add(accumulator, input) {
    accumulator.sum += input;
    return accumulator;
  },
  result: ({ sum }) => sum,
  merge: (left, right) => ({ sum: left.sum + right.sum }),
};

/** A state of some kind that holds one number, or none. */
export interface NumberState extends Namespaced {
  /** Writes it; a state that folds adds to what lives. */
  write(value: number): void;
  /** Reads it. */
  read(): number | null;
  clear(): void;
}

/** Opens a state of each kind as one number. */
export const KINDS: Readonly<Record<string, (states: Pick<StateBackend, "state">, ttl?: TtlSettings) => NumberState>> =
  {
    value(states, ttl) {
      const state = states.state(valueState<number>("number", { ...withTtl(ttl) }));
      return numberState(state, (value) => state.update(value), () => state.value());
    },
    list(states, ttl) {
      const state = states.state(listState<number>("number", withTtl(ttl)));
      return numberState(state, (value) => state.update([value]), () => state.get()[0] ?? null);
    },
    map(states, ttl) {
      const state = states.state(mapState<string, number>("number", withTtl(ttl)));
      return numberState(state, (value) => state.set("entry", value), () => state.get("entry") ?? null);
    },
    reducing(states, ttl) {
      const state = states.state(reducingState<number>("number", (left, right) => left + right, withTtl(ttl)));
      return numberState(state, (value) => state.add(value), () => state.get());
    },
    aggregating(states, ttl) {
      const state = states.state(aggregatingState("number", SUM, withTtl(ttl)));
      return numberState(state, (value) => state.add(value), () => state.get());
    },
  };

function withTtl(ttl: TtlSettings | undefined) {
  return ttl === undefined ? {} : { ttl };
}

function numberState(
  state: Namespaced & { clear(): void },
  write: (value: number) => void,
  read: () => number | null,
): NumberState {
  return {
    write,
    read,
    clear: () => state.clear(),
    setNamespace: (namespace) => state.setNamespace(namespace),
  };
}

/** States with a time to live over a backend, on the clock of a rig. */
export function ttlStatesOf(backend: StateBackend, rig: BackendRig): TtlStates {
  const states = new TtlStates(backend, () => rig.clock.nowMs());
  // Time passes between slices.
  const { clock } = rig;
  const advance = clock.advance.bind(clock);
  clock.advance = (ms) => {
    advance(ms);
    states.beginSlice();
  };
  return states;
}

/** Items 90-99, 107. */
export function ttlStateSuite(name: string, factory: StateBackendFactory): void {
  for (const kind of Object.keys(KINDS)) lifeTests(`${name}, ${kind} state`, kind, factory);
  valueTests(name, factory);
  listTests(name, factory);
  mapTests(name, factory);
  foldTests(name, factory);
  mergeTests(name, factory);
  declarationTests(name, factory);
}

/** A state of one kind, opened under key "k". */
async function opened(rig: BackendRig, kind: string, ttl: TtlSettings) {
  const backend = await rig.open();
  const states = ttlStatesOf(backend, rig);
  const state = KINDS[kind]!(states, ttl);
  backend.setCurrentKey("k");
  const at = (ms: number) => rig.clock.advance(ms - rig.clock.nowMs());
  return { backend, states, state, at };
}

function lifeTests(name: string, kind: string, factory: StateBackendFactory): void {
  test(`${name} with a time to live is empty before any write [90]`, async () => {
    await using rig = new BackendRig(factory);
    const { state, backend } = await opened(rig, kind, stateTtl({ time: TTL_MS }));
    equal(state.read(), null);
    state.clear();
    equal(backend.entryCount, 0);
  });

  test(`${name} lives from its last write, is hidden afterwards and gone with the read that finds it [91, 107]`, async () => {
    await using rig = new BackendRig(factory);
    const { state, backend, at } = await opened(rig, kind, stateTtl({ time: TTL_MS, ...BY_READS }));
    state.write(1);
    at(20);
    equal(state.read(), 1);
    at(50);
    state.clear();
    state.write(2);
    at(120);
    equal(state.read(), 2, "its life began anew at 50");
    at(149);
    equal(state.read(), 2);
    at(170);
    state.write(3);
    at(220);
    equal(state.read(), 3, "what was over is no part of what a write folds into");
    equal(backend.entryCount, 1);
    at(270);
    equal(backend.entryCount, 1);
    equal(state.read(), null, "over when its time is up, not after it");
    equal(backend.entryCount, 0, "removed by the read");
  });

  test(`${name}: a read does not lengthen a life that begins with a write [92]`, async () => {
    await using rig = new BackendRig(factory);
    const { state, at } = await opened(rig, kind, stateTtl({ time: TTL_MS, ...BY_READS }));
    state.write(1);
    for (const ms of [50, 90, 99]) {
      at(ms);
      equal(state.read(), 1);
    }
    at(100);
    equal(state.read(), null);
  });

  test(`${name}: a read lengthens a life that begins with reads as well [93]`, async () => {
    await using rig = new BackendRig(factory);
    const ttl = stateTtl({ time: TTL_MS, update: "on-read-and-write", ...BY_READS });
    const { state, at } = await opened(rig, kind, ttl);
    state.write(1);
    for (const ms of [50, 120, 200]) {
      at(ms);
      equal(state.read(), 1);
    }
    at(301);
    equal(state.read(), null);
  });

  test(`${name}: what is over may be read once when nobody has removed it [94]`, async () => {
    await using rig = new BackendRig(factory);
    const ttl = stateTtl({ time: TTL_MS, visibility: "return-expired-if-not-cleaned-up", ...BY_READS });
    const { state, backend, at } = await opened(rig, kind, ttl);
    state.write(1);
    at(200);
    equal(state.read(), 1);
    equal(backend.entryCount, 0);
    equal(state.read(), null);
  });

  test(`${name} lives for ever with the longest time, and a sum that is no number any more wraps nowhere [95]`, async () => {
    for (const time of [Number.MAX_SAFE_INTEGER, Infinity]) {
      await using rig = new BackendRig(factory);
      const { state, at } = await opened(rig, kind, stateTtl({ time, ...BY_READS }));
      at(1_700_000_000_000);
      state.write(1);
      at(99_000_000_000_000);
      equal(state.read(), 1, `time to live ${time}`);
    }
  });

  test(`${name}: keys and namespaces live each on its own [100]`, async () => {
    await using rig = new BackendRig(factory);
    const { state, backend, at } = await opened(rig, kind, stateTtl({ time: TTL_MS }));
    const entry = (key: string, namespace: Namespace) => {
      backend.setCurrentKey(key);
      state.setNamespace(namespace);
    };
    const places = [["k", "n"], ["k", "m"], ["l", "n"], ["l", "m"]] as const;
    for (const [i, [key, namespace]] of places.entries()) {
      at(i * 40);
      entry(key, namespace);
      state.write(i);
    }
    at(150);
    deepEqual(
      places.map(([key, namespace]) => {
        entry(key, namespace);
        return state.read();
      }),
      [null, null, 2, 3],
    );
  });
}

function valueTests(name: string, factory: StateBackendFactory): void {
  test(`${name}: writing null clears a value with a time to live, and its default stands for it [96]`, async () => {
    await using rig = new BackendRig(factory);
    const backend = await rig.open();
    const state = ttlStatesOf(backend, rig).state(valueState<number | null>("v", { default: 7, ttl: TTL_MS }));
    backend.setCurrentKey("k");
    state.update(1);
    equal(state.value(), 1);
    state.update(null);
    equal(state.value(), 7);
    equal(backend.entryCount, 0);
    state.update(2);
    rig.clock.advance(TTL_MS);
    equal(state.value(), 7);
  });

  test(`${name}: objects and the changes made to them live as their value does`, async () => {
    await using rig = new BackendRig(factory);
    const backend = await rig.open();
    const state = ttlStatesOf(backend, rig).state(valueState<{ n: number }>("v", { ttl: TTL_MS }));
    backend.setCurrentKey("k");
    state.update({ n: 1 });
    rig.clock.advance(60);
    const value = state.value()!;
    value.n = 2;
    state.update(value);
    rig.clock.advance(60);
    deepEqual(state.value(), { n: 2 });
    backend.setCurrentKey("l");
    equal(state.value(), null);
  });
}

function listTests(name: string, factory: StateBackendFactory): void {
  test(`${name}: each element of a list lives on its own, in its order [97]`, async () => {
    await using rig = new BackendRig(factory);
    const backend = await rig.open();
    const state = ttlStatesOf(backend, rig).state(
      listState<number>("l", { ttl: stateTtl({ time: TTL_MS, ...BY_READS }) }),
    );
    // The same rows as they are, stamps and all.
    const raw = backend.state(listState<unknown>("l"));
    backend.setCurrentKey("k");
    state.add(1);
    rig.clock.advance(40);
    state.addAll([2, 3]);
    rig.clock.advance(40);
    state.add(4);
    deepEqual(state.get(), [1, 2, 3, 4]);
    rig.clock.advance(30);
    equal(raw.get().length, 4);
    deepEqual([...state], [2, 3, 4]);
    equal(raw.get().length, 3, "a read removes what is over");
    rig.clock.advance(40);
    deepEqual(state.get(), [4]);
    rig.clock.advance(40);
    deepEqual(state.get(), []);
    equal(backend.entryCount, 0);
    throws(() => state.add(null as unknown as number), TypeError);
    throws(() => state.addAll([5, undefined as unknown as number]), TypeError);
    throws(() => state.update(null as unknown as number[]), TypeError);
    deepEqual(state.get(), []);
  });

  test(`${name}: a list that reads keep alive is stamped as a whole, and one that may be shown stale is shown once [93, 94, 97]`, async () => {
    await using rig = new BackendRig(factory);
    const backend = await rig.open();
    const states = ttlStatesOf(backend, rig);
    const kept = states.state(
      listState<number>("kept", { ttl: stateTtl({ time: TTL_MS, update: "on-read-and-write" }) }),
    );
    const stale = states.state(listState<number>("stale", {
      ttl: stateTtl({ time: TTL_MS, visibility: "return-expired-if-not-cleaned-up", ...BY_READS }),
    }));
    backend.setCurrentKey("k");
    for (const state of [kept, stale]) state.add(1);
    rig.clock.advance(60);
    for (const state of [kept, stale]) state.add(2);
    deepEqual(kept.get(), [1, 2]);
    rig.clock.advance(60);
    deepEqual(kept.get(), [1, 2]);
    deepEqual(stale.get(), [1, 2]);
    deepEqual(stale.get(), [2]);
  });
}

function mapTests(name: string, factory: StateBackendFactory): void {
  test(`${name}: each entry of a map lives on its own, whichever way it is looked at [97]`, async () => {
    await using rig = new BackendRig(factory);
    const backend = await rig.open();
    const ttl = stateTtl({ time: TTL_MS, ...BY_READS });
    const state = ttlStatesOf(backend, rig).state(mapState<string, number | null>("m", { ttl }));
    const raw = backend.state(mapState<string, unknown>("m"));
    backend.setCurrentKey("k");
    state.set("a", 1);
    rig.clock.advance(60);
    state.setAll([["b", 2], ["c", null]]);
    deepEqual([...state].sort(), [["a", 1], ["b", 2], ["c", null]]);
    equal(state.size, 3);
    rig.clock.advance(60);
    equal(state.size, 2);
    equal(state.isEmpty(), false);
    equal(raw.size, 3, "counting changes nothing");
    equal(state.has("a"), false);
    equal(raw.size, 2, "asking for an entry removes it when it is over");
    equal(state.has("c"), true);
    equal(state.delete("a"), false);
    deepEqual([...state.keys()].sort(), ["b", "c"]);
    deepEqual([...state.values()].map(String).sort(), ["2", "null"]);
    equal(state.delete("b"), true);
    state.set("d", 4);
    rig.clock.advance(60);
    equal(state.delete("c"), false, "what is over is not there to be deleted");
    const seen: unknown[] = [];
    state.forEach((value, key) => seen.push([key, value]));
    deepEqual(seen, [["d", 4]]);
    rig.clock.advance(60);
    equal(state.isEmpty(), true);
    deepEqual([...state.entries()], []);
    equal(raw.isEmpty(), true, "walking removes what is over");
    equal(backend.entryCount, 0);
    throws(() => state.set("a", undefined as unknown as number), TypeError);
  });

  test(`${name}: the walk over a map keeps its entries alive when reads do, and shows stale ones once [93, 94, 97]`, async () => {
    await using rig = new BackendRig(factory);
    const backend = await rig.open();
    const states = ttlStatesOf(backend, rig);
    const kept = states.state(
      mapState<number, number>("kept", { ttl: stateTtl({ time: TTL_MS, update: "on-read-and-write", ...BY_READS }) }),
    );
    const stale = states.state(mapState<number, number>("stale", {
      ttl: stateTtl({ time: TTL_MS, visibility: "return-expired-if-not-cleaned-up", ...BY_READS }),
    }));
    backend.setCurrentKey("k");
    for (let i = 0; i < 50; i++) for (const state of [kept, stale]) state.set(i, i);
    rig.clock.advance(60);
    equal([...kept.entries()].length, 50);
    rig.clock.advance(60);
    equal([...kept.keys()].length, 50);
    equal(stale.size, 50);
    equal([...stale.entries()].length, 50);
    equal(stale.size, 0);
    ok(stale.isEmpty());
  });
}

function foldTests(name: string, factory: StateBackendFactory): void {
  test(`${name}: what is added to a fold that is over begins anew [98]`, async () => {
    await using rig = new BackendRig(factory);
    const backend = await rig.open();
    const states = ttlStatesOf(backend, rig);
    const ttl = stateTtl({ time: TTL_MS, ...BY_READS });
    const reducing = states.state(reducingState<number>("r", (left, right) => left + right, { ttl }));
    const aggregating = states.state(aggregatingState("a", SUM, { ttl }));
    backend.setCurrentKey("k");
    for (const state of [reducing, aggregating]) {
      state.add(1);
      rig.clock.advance(60);
      state.add(2);
      rig.clock.advance(60);
      equal(state.get(), 3, "each value that is added begins the life anew");
      rig.clock.advance(40);
      state.add(4);
      equal(state.get(), 4);
      throws(() => state.add(null as unknown as number), TypeError);
      rig.clock.advance(200);
      equal(state.get(), null);
    }
    const bad = states.state(reducingState<number>("bad", () => null as unknown as number, { ttl }));
    bad.add(1);
    throws(() => bad.add(2), TypeError, "a fold is a value");
  });
}

function mergeTests(name: string, factory: StateBackendFactory): void {
  test(`${name}: merging namespaces drops what is over and stamps the rest with the time of the merge [99]`, async () => {
    await using rig = new BackendRig(factory);
    const backend = await rig.open();
    const states = ttlStatesOf(backend, rig);
    const ttl = stateTtl({ time: TTL_MS, ...BY_READS });
    const list = states.state(listState<number>("l", { ttl }));
    const merging = [
      {
        state: states.state(reducingState<number>("r", (left, right) => left + right, { ttl })),
        sum: (n: number) => n,
      },
      { state: states.state(aggregatingState("a", SUM, { ttl })), sum: (n: number) => n },
      {
        state: list,
        sum: (n: number) => n,
      },
    ];
    const read = (state: (typeof merging)[number]["state"]): number | null => {
      const value = state.get();
      if (!Array.isArray(value)) return value;
      return value.length === 0 ? null : value.reduce((left, right) => left + right, 0);
    };
    const start = rig.clock.nowMs();
    const at = (ms: number) => rig.clock.advance(start + ms - rig.clock.nowMs());
    for (const { state } of merging) {
      const base = rig.clock.nowMs() - start;
      backend.setCurrentKey("both");
      const put = (namespace: Namespace, value: number) => {
        state.setNamespace(namespace);
        state.add(value);
      };
      put("old", 1);
      at(base + 80);
      put("young", 10);
      put("target", 100);
      backend.setCurrentKey("alone");
      put("young", 5);
      backend.setCurrentKey("none");
      put("young", 7);
      state.setNamespace("elsewhere");
      at(base + 150);
      for (const key of ["both", "alone"]) {
        backend.setCurrentKey(key);
        state.mergeNamespaces("target", ["old", "young", "target", "never"]);
      }
      equal(read(state), null, "it speaks of its own namespace again");
      state.setNamespace("target");
      at(base + 249);
      backend.setCurrentKey("both");
      equal(read(state), 110);
      backend.setCurrentKey("alone");
      equal(read(state), 5, "stamped anew, though nothing was folded");
      at(base + 251);
      equal(read(state), null);
      backend.setCurrentKey("none");
      state.mergeNamespaces("target", ["young"]);
      equal(read(state), null, "what was over is no contribution");
      for (const namespace of ["old", "young"]) {
        state.setNamespace(namespace);
        backend.setCurrentKey("both");
        equal(read(state), null);
      }
    }
  });
}

function declarationTests(name: string, factory: StateBackendFactory): void {
  test(`${name}: a state has one time to live, and a backend by itself refuses it`, async () => {
    await using rig = new BackendRig(factory);
    const backend = await rig.open();
    const states = ttlStatesOf(backend, rig);
    const first = states.state(valueState<number>("v", { ttl: TTL_MS }));
    const second = states.state(valueState<number>("v", { ttl: TTL_MS }));
    backend.setCurrentKey("k");
    first.update(1);
    equal(second.value(), 1);
    throws(() => states.state(valueState("v", { ttl: 2 * TTL_MS })), /another time to live/);
    throws(() => states.state(valueState("w")), /has no time to live/);
    throws(() => backend.state(valueState("w", { ttl: TTL_MS })), /itself knows no time to live/);
  });
}
