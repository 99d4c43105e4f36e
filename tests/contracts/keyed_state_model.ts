/** Random histories of one backend, compared with plain Maps. */
import { deepEqual } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { StateBackend, StateBackendFactory } from "../../core/backend.ts";
import { listState, mapState, valueState } from "../../core/descriptors.ts";
import { type Key, VOID_NAMESPACE } from "../../core/key.ts";
import { keyGroupOf, keyGroupRangeOf, operatorIndexOf } from "../../core/key_groups.ts";
import type { KeyedStateHandle } from "../../core/snapshot.ts";
import { scaled } from "../support/scale.ts";
import { BackendRig, type BackendTraits } from "./backend_rig.ts";

const VALUE = valueState<number | { n: number }>("value");
const LIST = listState<number | { n: number }>("list");
const MAP = mapState<Key, number | { n: number }>("map");
const MAX = 8;
const KEYS: readonly Key[] = ["a", "b", 1, 2, "1", [1, "x"], Uint8Array.of(0), -7.5];
const MAP_KEYS: readonly Key[] = ["x", "y", 1, [2, 3]];
const NAMESPACES = [VOID_NAMESPACE, "w", 5, [1]] as const;

/** One write: which key, which namespace, what, with which number. */
interface Write {
  readonly key: number;
  readonly namespace: number;
  readonly what:
    | "update"
    | "updateObject"
    | "mutate"
    | "clear"
    | "add"
    | "addObject"
    | "replace"
    | "clearList"
    | "mutateList"
    | "set"
    | "setObject"
    | "delete"
    | "mutateMap"
    | "clearMap";
  readonly number: number;
}

type Step =
  | { readonly step: "write"; readonly write: Write }
  | {
    readonly step: "snapshot";
    readonly full: boolean;
    readonly fate: "confirm" | "abort" | "open";
    readonly during: readonly Write[];
  }
  | { readonly step: "restore"; readonly parallelism: number };

/** What a backend holds, as JSON by (key, namespace). */
class Model {
  readonly values = new Map<string, number | { n: number }>();
  readonly lists = new Map<string, (number | { n: number })[]>();
  readonly maps = new Map<string, Map<string, number | { n: number }>>();

  image(): string {
    const maps = [...this.maps].filter(([, map]) => map.size > 0).map(([at, map]) =>
      [at, [...map].sort(byFirst)] as const
    );
    const lists = [...this.lists].filter(([, list]) => list.length > 0);
    return JSON.stringify([[...this.values].sort(byFirst), lists.sort(byFirst), maps.sort(byFirst)]);
  }
}

function byFirst(left: readonly [string, unknown], right: readonly [string, unknown]): number {
  return left[0] < right[0] ? -1 : 1;
}

function nameOf(key: unknown): string {
  if (key === VOID_NAMESPACE) return "void";
  return key instanceof Uint8Array ? `bytes ${[...key]}` : JSON.stringify(key);
}

/** Applies a write to the model and to the backend that owns the key. */
function apply(write: Write, model: Model, backends: readonly StateBackend[]): void {
  const key = KEYS[write.key]!;
  const namespace = NAMESPACES[write.namespace]!;
  const parallelism = backends.length;
  const backend = backends[operatorIndexOf(keyGroupOf(key, MAX), { parallelism, maxParallelism: MAX })]!;
  backend.setCurrentKey(key);
  const at = `${nameOf(key)}/${nameOf(namespace)}`;
  const { what, number } = write;
  if (what === "update" || what === "updateObject" || what === "mutate" || what === "clear") {
    applyValue(write, model, backend, at);
  } else if (
    what === "set" || what === "setObject" || what === "delete" || what === "mutateMap" || what === "clearMap"
  ) {
    applyMap(write, model, backend, at);
  } else {
    const list = backend.state(LIST);
    list.setNamespace(namespace);
    const expected = model.lists.get(at) ?? [];
    model.lists.set(at, expected);
    if (what === "add") {
      list.add(number);
      expected.push(number);
    } else if (what === "addObject") {
      list.add({ n: number });
      expected.push({ n: number });
    } else if (what === "replace") {
      list.update([number, number + 1]);
      model.lists.set(at, [number, number + 1]);
    } else if (what === "clearList") {
      list.clear();
      model.lists.delete(at);
    } else {
      for (const item of list.get()) if (typeof item === "object") item.n += number;
      if (backend.storesBytes) return;
      for (const item of expected) if (typeof item === "object") item.n += number;
    }
  }
}

function applyValue({ what, namespace, number }: Write, model: Model, backend: StateBackend, at: string): void {
  const state = backend.state(VALUE);
  state.setNamespace(NAMESPACES[namespace]!);
  if (what === "clear") {
    state.clear();
    model.values.delete(at);
  } else if (what === "mutate") {
    const stored = state.value();
    const expected = model.values.get(at);
    if (typeof stored === "object" && stored !== null) stored.n += number;
    if (typeof expected === "object" && !backend.storesBytes) expected.n += number;
  } else {
    const make = () => what === "update" ? number : { n: number };
    state.update(make());
    model.values.set(at, make());
  }
}

function applyMap({ what, namespace, number }: Write, model: Model, backend: StateBackend, at: string): void {
  const state = backend.state(MAP);
  state.setNamespace(NAMESPACES[namespace]!);
  const expected = model.maps.get(at) ?? new Map<string, number | { n: number }>();
  model.maps.set(at, expected);
  const mapKey = MAP_KEYS[number % MAP_KEYS.length]!;
  if (what === "clearMap") {
    state.clear();
    model.maps.delete(at);
  } else if (what === "delete") {
    state.delete(mapKey);
    expected.delete(nameOf(mapKey));
  } else if (what === "mutateMap") {
    for (const [, value] of state) if (typeof value === "object") value.n += number;
    if (backend.storesBytes) return;
    for (const value of expected.values()) if (typeof value === "object") value.n += number;
  } else {
    const make = () => what === "set" ? number : { n: number };
    state.set(mapKey, make());
    expected.set(nameOf(mapKey), make());
  }
}

function imageOf(backends: readonly StateBackend[]): string {
  const model = new Model();
  let entries = 0;
  for (const backend of backends) {
    for (const [key, namespace] of backend.keysAndNamespaces(VALUE)) {
      backend.setCurrentKey(key);
      const state = backend.state(VALUE);
      state.setNamespace(namespace);
      const value = state.value();
      if (value !== null) model.values.set(`${nameOf(key)}/${nameOf(namespace)}`, value);
    }
    for (const [key, namespace] of backend.keysAndNamespaces(LIST)) {
      backend.setCurrentKey(key);
      const state = backend.state(LIST);
      state.setNamespace(namespace);
      model.lists.set(`${nameOf(key)}/${nameOf(namespace)}`, state.get());
    }
    for (const [key, namespace] of backend.keysAndNamespaces(MAP)) {
      backend.setCurrentKey(key);
      const state = backend.state(MAP);
      state.setNamespace(namespace);
      const cells = new Map([...state].map(([mapKey, value]) => [nameOf(mapKey), value]));
      model.maps.set(`${nameOf(key)}/${nameOf(namespace)}`, cells);
    }
    entries += backend.entryCount;
  }
  deepEqual(entries, model.values.size + model.lists.size + model.maps.size);
  return model.image();
}

const WRITES: readonly Write["what"][] = [
  "update",
  "updateObject",
  "mutate",
  "clear",
  "add",
  "addObject",
  "replace",
  "clearList",
  "mutateList",
  "set",
  "set",
  "setObject",
  "delete",
  "delete",
  "mutateMap",
  "clearMap",
];

function stepOf(writes: readonly Write["what"][]): fc.Arbitrary<Step> {
  const write: fc.Arbitrary<Write> = fc.record({
    key: fc.nat({ max: KEYS.length - 1 }),
    namespace: fc.nat({ max: NAMESPACES.length - 1 }),
    what: fc.constantFrom(...writes),
    number: fc.nat({ max: 100 }),
  });
  return fc.oneof(
    { weight: 12, arbitrary: fc.record({ step: fc.constant("write" as const), write }) },
    {
      weight: 4,
      arbitrary: fc.record({
        step: fc.constant("snapshot" as const),
        full: fc.boolean(),
        fate: fc.constantFrom("confirm" as const, "confirm" as const, "abort" as const, "open" as const),
        during: fc.array(write, { maxLength: 12, size: "max" }),
      }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ step: fc.constant("restore" as const), parallelism: fc.constantFrom(1, 2, 3) }),
    },
  );
}

/** Runs one history; each snapshot is restored elsewhere and compared. */
async function play(factory: StateBackendFactory, steps: readonly Step[], incremental: boolean): Promise<void> {
  await using rig = new BackendRig(factory);
  const model = new Model();
  let backends = [await rig.open([], { maxParallelism: MAX, keyGroups: { start: 0, end: MAX - 1 }, incremental })];
  let checkpoint = 0;
  const reopen = async (
    handles: readonly (KeyedStateHandle | null)[],
    parallelism: number,
  ): Promise<StateBackend[]> => {
    const opened: StateBackend[] = [];
    for (let i = 0; i < parallelism; i++) {
      const keyGroups = keyGroupRangeOf(i, { parallelism, maxParallelism: MAX });
      opened.push(await rig.open(handles, { maxParallelism: MAX, keyGroups, incremental }));
    }
    return opened;
  };
  const closeAll = async (opened: readonly StateBackend[]): Promise<void> => {
    for (const backend of opened) await backend.close();
  };
  const snapshotAll = async (full: boolean, during: readonly Write[]): Promise<(KeyedStateHandle | null)[]> => {
    checkpoint++;
    let next = 0;
    const writing = backends.map((backend) => backend.snapshot({ checkpointId: checkpoint, full }).write(rig.files));
    return await rig.clock.runUntil(Promise.all(writing), () => {
      const turn = during[next++];
      if (turn !== undefined) apply(turn, model, backends);
    });
  };
  for (const each of steps) {
    if (each.step === "write") {
      apply(each.write, model, backends);
    } else if (each.step === "restore") {
      const expected = model.image();
      const handles = await snapshotAll(false, []);
      await closeAll(backends);
      backends = await reopen(handles, each.parallelism);
      deepEqual(imageOf(backends), expected);
    } else {
      const expected = model.image();
      const handles = await snapshotAll(each.full, each.during);
      for (const backend of backends) {
        if (each.fate === "confirm") backend.confirm(checkpoint);
        if (each.fate === "abort") backend.abort(checkpoint);
      }
      const restored = await reopen(handles, 1);
      deepEqual(imageOf(restored), expected);
      await closeAll(restored);
    }
  }
  deepEqual(imageOf(backends), model.image());
}

/** Random histories, with and without increments. */
export function stateModelSuite(
  name: string,
  factory: StateBackendFactory,
  { isLogged = false }: BackendTraits = {},
): void {
  const steps = stepOf(isLogged ? WRITES.filter((what) => !what.startsWith("mutate")) : WRITES);
  for (const incremental of [false, true]) {
    const how = incremental ? "with" : "without";
    test(
      `${name}: random histories ${how} increments match plain Maps [39] [40] [41] [58]`,
      { timeout: 60_000 },
      async () => {
        const property = fc.asyncProperty(
          fc.array(steps, { minLength: 1, maxLength: 60, size: "max" }),
          (history) => play(factory, history, incremental),
        );
        await fc.assert(property, { numRuns: scaled(60, 250) });
      },
    );
  }
}
