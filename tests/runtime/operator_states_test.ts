import { deepEqual, equal, throws } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { assignState } from "../../checkpoint/rescaling.ts";
import { ByteReader, ByteWriter } from "../../core/bytes.ts";
import type { StateOptions } from "../../core/descriptors.ts";
import { StreamError } from "../../core/errors.ts";
import { type Key, writeKey } from "../../core/key.ts";
import { broadcastState, operatorListState } from "../../core/operator_state.ts";
import { compatibilityOf, f64, type Serializer, str } from "../../core/serializer.ts";
import type { OperatorList } from "../../core/snapshot.ts";
import { mapState } from "../../mod.ts";
import { OperatorStates } from "../../runtime/operator_states.ts";

type Lists = Readonly<Record<string, OperatorList>>;

/** The states of one subtask, fresh or from a checkpoint. */
function states(lists: Lists | null = null, subtaskIndex = 0): OperatorStates {
  return new OperatorStates({ operatorName: "op", subtaskIndex, restore: lists === null ? null : { lists } });
}

/** What each new subtask is dealt of the snapshots of the old ones. */
function rescale(old: readonly Lists[], parallelism: number): Lists[] {
  const subtasks = old.map((lists) => ({ finished: false, snapshot: { keyed: null, lists } }));
  const operator = { id: "op", name: "op", parallelism: old.length, maxParallelism: 128, finished: false, subtasks };
  const target = { id: "op", name: "op", parallelism, maxParallelism: 128, maxParallelismIsExplicit: false };
  return assignState([operator], [target], { ignoreUnclaimed: false }).get("op")!.subtasks!.map((one) => one.lists);
}

const NUMBERS = operatorListState<number>("numbers");
const RULES = broadcastState<Key, unknown>("rules");
const isInvalid = (message: RegExp) => (error: unknown) =>
  error instanceof StreamError && error.kind === "invalid" && message.test(error.message);

test("OperatorListState keeps elements in the order of their addition", () => {
  const list = states().declare(NUMBERS);
  deepEqual([list.get(), list.size], [[], 0]);
  list.add(1);
  list.addAll([2, 3]);
  deepEqual([list.get(), [...list], list.size], [[1, 2, 3], [1, 2, 3], 3]);
  list.update(new Set([4, 5]));
  deepEqual([list.get(), list.size], [[4, 5], 2]);
  list.get().push(6);
  for (const value of list) list.add(value);
  deepEqual(list.get(), [4, 5, 4, 5]);
  list.update(list);
  list.clear();
  deepEqual([list.get(), list.size], [[], 0]);
});

test("OperatorListState refuses what no state holds, and changes nothing then", () => {
  const list = states().declare(operatorListState<unknown>("things"));
  list.add("kept");
  for (const value of [null, undefined]) {
    throws(() => list.add(value), TypeError);
    throws(() => list.addAll([1, value]), TypeError);
    throws(() => list.update([1, value]), TypeError);
  }
  throws(() => list.addAll([1, () => {}]), isInvalid(/Cannot store a value in state "things"/));
  throws(() => states().declare(operatorListState("typed", { serializer: str })).add(1 as never), /state "typed"/); // a JavaScript user's mistake
  deepEqual(list.get(), ["kept"]);
});

test("BroadcastState behaves as a Map whose keys are equal when their bytes are", () => {
  const key: fc.Arbitrary<Key> = fc.oneof(
    fc.constantFrom<Key>("a", "", 0, -0, 1, 1n, true, "1", Uint8Array.of(1), [1], ["a", [Uint8Array.of()]], [-0]),
    fc.string(),
  );
  const step = fc.oneof(
    fc.record({ kind: fc.constant("set" as const), key, value: fc.integer() }),
    fc.record({ kind: fc.constantFrom("delete" as const, "clear" as const, "restore" as const), key }),
  );
  const bytesOf = (key: Key) => {
    const out = new ByteWriter();
    writeKey(out, key);
    return out.copy().join();
  };
  fc.assert(fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
    let owner = states();
    let map = owner.declare(RULES);
    const model = new Map<string, unknown>();
    for (const one of steps) {
      if (one.kind === "set") {
        map.set(one.key, one.value);
        model.set(bytesOf(one.key), one.value);
      } else if (one.kind === "delete") {
        equal(map.delete(one.key), model.delete(bytesOf(one.key)));
      } else if (one.kind === "clear") {
        map.clear();
        model.clear();
      } else {
        owner = states(owner.snapshot());
        map = owner.declare(RULES);
      }
      equal(map.get(one.key), model.get(bytesOf(one.key)));
      equal(map.has(one.key), model.has(bytesOf(one.key)));
      // Also the order in which keys were first set.
      deepEqual([...map].map(([key, value]) => [bytesOf(key), value]), [...model]);
      deepEqual([[...map.keys()].length, [...map.values()], map.size], [model.size, [...model.values()], model.size]);
      equal(map.isEmpty(), model.size === 0);
    }
  }));
});

test("BroadcastState owns its keys: bytes and tuples may be reused, also those it gives out", () => {
  const map = states().declare(RULES);
  const bytes = Uint8Array.of(1);
  map.set(bytes, "one").set([bytes, 0], "tuple");
  bytes[0] = 2;
  for (const key of map.keys()) if (key instanceof Uint8Array) key[0] = 3;
  equal(map.get(Uint8Array.of(1)), "one");
  equal(map.get([Uint8Array.of(1), 0]), "tuple");
  equal(map.get(bytes), undefined);
});

test("BroadcastState can be changed while it is walked, and refuses what is no key or no value", () => {
  const map = states().declare(RULES);
  map.setAll([["a", 1], ["b", 2], ["c", null]]);
  const seen: unknown[] = [];
  map.forEach((value, key) => {
    seen.push([key, value]);
    map.delete("b");
    map.set("d", 4);
  });
  deepEqual(seen, [["a", 1], ["c", null]]);
  deepEqual([...map.keys()], ["a", "c", "d"]);
  for (const key of [NaN, null, undefined, {}]) throws(() => map.set(key as never, 1), TypeError); // mistakes of JavaScript users
  throws(() => map.set("e", undefined), TypeError);
  equal(map.size, 3);
});

test("a snapshot holds what states were at its moment, also of objects that change later [230]", () => {
  const owner = states();
  const list = owner.declare(operatorListState<{ n: number }>("objects"));
  const map = owner.declare(RULES);
  const object = { n: 1 };
  list.add(object);
  map.set("rule", object).set("other", 1);
  const first = owner.snapshot();
  object.n = 2;
  list.add({ n: 3 });
  map.delete("other");
  const second = owner.snapshot();
  list.clear();
  map.clear();
  const contents = (lists: Lists) => {
    const restored = states(lists);
    return [restored.declare(operatorListState("objects")).get(), [...restored.declare(RULES)]];
  };
  deepEqual(contents(first), [[{ n: 1 }], [["rule", { n: 1 }], ["other", 1]]]);
  deepEqual(contents(second), [[{ n: 2 }, { n: 3 }], [["rule", { n: 2 }]]]);
});

test("no state, and lists without elements, leave nothing in a snapshot; broadcast maps alone do [231]", () => {
  deepEqual(states().snapshot(), {});
  const owner = states();
  const list = owner.declare(NUMBERS);
  deepEqual(owner.snapshot(), {});
  list.add(1);
  equal(Object.keys(owner.snapshot()).length, 1);
  list.clear();
  deepEqual(owner.snapshot(), {});
  const broadcasting = states();
  broadcasting.declare(RULES).set("a", 1);
  const [copy] = rescale([broadcasting.snapshot()], 1);
  deepEqual([...states(copy).declare(RULES)], [["a", 1]]);
});

test("a broadcast map that was emptied stays empty, whatever the copies of other subtasks are [231, 233]", () => {
  const old = [states(), states()];
  const [first] = old.map((owner) => owner.declare(RULES).set("a", 1));
  first!.clear();
  const sizes = rescale(old.map((owner) => owner.snapshot()), 2).map((lists) => states(lists).declare(RULES).size);
  deepEqual(sizes, [0, 1]);
});

test("states of 2→3, 2→1 and 2→2 subtasks: lists are dealt out or given to all, maps are copied [232, 233, 234, 252]", () => {
  const old = [[1, 2, 3, 4], [5]].map((values) => {
    const owner = states();
    owner.declare(NUMBERS).addAll(values);
    owner.declare(operatorListState<number>("union", { distribution: "union" })).addAll(values);
    owner.declare(RULES).set("a", "rule");
    return owner.snapshot();
  });
  const now = (parallelism: number) =>
    rescale(old, parallelism).map((lists) => {
      const owner = states(lists);
      deepEqual([...owner.declare(RULES)], [["a", "rule"]]);
      deepEqual(owner.declare(operatorListState("union", { distribution: "union" })).get(), [1, 2, 3, 4, 5]);
      return owner.declare(NUMBERS).get();
    });
  deepEqual(now(3), [[1], [2, 3], [4, 5]]);
  deepEqual(now(1), [[1, 2, 3, 4, 5]]);
  deepEqual(now(2), [[1, 2, 3, 4], [5]]);
});

test("split lists stay balanced and in order through any number of rescales [232, 252]", () => {
  fc.assert(fc.property(fc.nat(40), fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: 6 }), (count, story) => {
    const owner = states();
    owner.declare(NUMBERS).addAll(Array.from({ length: count }, (_, n) => n));
    let lists: Lists[] = [owner.snapshot()];
    for (const parallelism of story) {
      const before = lists.length;
      const subtasks = rescale(lists, parallelism).map((one, index) => states(one, index));
      const dealt = subtasks.map((one) => one.declare(NUMBERS).get());
      deepEqual(dealt.flat(), Array.from({ length: count }, (_, n) => n));
      const sizes = dealt.map((one) => one.length);
      if (before !== parallelism) equal(Math.max(...sizes) - Math.min(...sizes) <= 1, true, sizes.join());
      lists = subtasks.map((one) => one.snapshot());
    }
  }));
});

test("restored states that nobody declares go on unchanged, each item once, at any parallelism [47, 89]", () => {
  const old = [[1], [2, 3]].map((values) => {
    const owner = states();
    owner.declare(operatorListState("dropped", { serializer: f64 })).addAll(values);
    owner.declare(operatorListState("dropped union", { distribution: "union" })).addAll(values);
    owner.declare(RULES).set("a", 1);
    return owner.snapshot();
  });
  let lists = old;
  for (const parallelism of [2, 3, 1, 2]) {
    lists = rescale(lists, parallelism).map((one, index) => {
      const owner = states(one, index);
      owner.declare(NUMBERS).add(7);
      owner.seal();
      return owner.snapshot();
    });
  }
  const back = rescale(lists, 1).map((one) => states(one))[0]!;
  deepEqual(back.declare(operatorListState("dropped", { serializer: f64 })).get(), [1, 2, 3]);
  deepEqual(back.declare(operatorListState("dropped union", { distribution: "union" })).get(), [1, 2, 3]);
  deepEqual([...back.declare(RULES)], [["a", 1]]);
  deepEqual(back.declare(NUMBERS).get(), new Array(2 + 3 + 1 + 2).fill(7));
});

test("a state is declared once, or the same way again; with another kind or serializer it is refused", () => {
  const owner = states();
  equal(owner.declare(NUMBERS), owner.declare(operatorListState("numbers")));
  for (
    const other of [
      operatorListState<number>("numbers", { distribution: "union" }),
      operatorListState<number>("numbers", { serializer: f64 }),
    ]
  ) throws(() => owner.declare(other), isInvalid(/Cannot declare state "numbers" of "op": it is declared already/));
  throws(() => owner.declare(broadcastState("numbers")), isInvalid(/declared already/));
  throws(() => owner.declare(mapState("m") as never), isInvalid(/it is map state, which belongs to a key/)); // a mistake of JavaScript users
  owner.seal();
  equal(owner.declare(NUMBERS).size, 0);
  throws(() => owner.declare(RULES), isInvalid(/the operator is open/));
  throws(() => operatorListState(""), TypeError);
  throws(() => broadcastState(""), TypeError);
  throws(() => operatorListState("x", { distribution: "broadcast" as never }), TypeError); // as above
});

test("a state that is dealt out otherwise than in the checkpoint is refused", () => {
  const owner = states();
  owner.declare(NUMBERS).add(1);
  const lists = owner.snapshot();
  throws(
    () => states(lists).declare(operatorListState("numbers", { distribution: "union" })),
    isInvalid(/Cannot restore state "numbers" of "op": it is dealt out as "split".*must be as declared, "union"/),
  );
  throws(() => states(lists).declare(broadcastState("numbers")), isInvalid(/must be as declared, "broadcast"/));
});

test("states cannot be changed while their operator has no message in hand", () => {
  const owner = states();
  const list = owner.declare(NUMBERS);
  const map = owner.declare(RULES);
  list.add(1);
  map.set("a", 1);
  owner.access.isOpen = false;
  const changes = [
    () => list.add(2),
    () => list.addAll([2]),
    () => list.update([]),
    () => list.clear(),
    () => map.set("b", 1),
    () => map.setAll([["b", 1]]),
    () => map.delete("a"),
    () => map.clear(),
  ];
  for (const change of changes) throws(change, isInvalid(/Cannot change state "(numbers|rules)" of "op" here/));
  deepEqual([list.get(), [...map]], [[1], [["a", 1]]]);
});

/** A string with a mark of the version that wrote it. */
function versioned(version: number, compatibility?: "reconfigured"): Serializer<string> {
  const serializer: Serializer<string> = {
    id: "marked",
    version,
    immutable: true,
    write: (value, out) => str.write(`v${version}:${value}`, out),
    read: (input) => str.read(input).replace(`v${version}:`, ""),
    migrate: (input: ByteReader, previous) => str.read(input).replace(`v${previous.version}:`, "moved "),
    compatibilityWith: (previous) => compatibility ?? compatibilityOf(serializer, previous),
    reconfigure: (previous) => versioned(previous.version),
  };
  return serializer;
}

/** A list, a union list and a map, all with one serializer. */
function declareAll(owner: OperatorStates, serializer: Serializer<string>) {
  return {
    split: owner.declare(operatorListState("split", { serializer })),
    union: owner.declare(operatorListState("union", { distribution: "union", serializer })),
    map: owner.declare(broadcastState<string, string>("map", { serializer })),
  };
}

test("values of lists, union lists and broadcast maps migrate, and are written anew by the new serializer [84, 87]", () => {
  const owner = states();
  const { split, union, map } = declareAll(owner, versioned(1));
  split.add("a");
  union.add("b");
  map.set("key", "c");
  const migrated = states(owner.snapshot());
  const now = declareAll(migrated, versioned(2));
  deepEqual([now.split.get(), now.union.get(), [...now.map]], [["moved a"], ["moved b"], [["key", "moved c"]]]);
  const again = migrated.snapshot();
  for (const list of Object.values(again)) {
    deepEqual(list.serializer, { id: "marked", version: 2, schemaVersion: 1 });
    equal(list.items.every((item) => str.read(new ByteReader(item)).includes("v2:moved")), true);
  }
  equal(declareAll(states(again), versioned(2)).map.get("key"), "moved c");
});

test("a serializer that adapts itself reads operator state as it is; one that cannot read it is refused [84]", () => {
  const owner = states();
  const { split, union, map } = declareAll(owner, versioned(1));
  split.add("a");
  union.add("b");
  map.set("key", "c");
  const lists = owner.snapshot();
  // It goes on in the format that it finds.
  const adapted = states(lists);
  equal(declareAll(adapted, versioned(2, "reconfigured")).split.get()[0], "a");
  for (const list of Object.values(adapted.snapshot())) equal(list.serializer.version, 1);
  // A subtask that was dealt nothing goes on in the same format: its items lie beside those of the others.
  const emptied = states(
    Object.fromEntries(Object.entries(lists).map(([name, list]) => [name, { ...list, items: [] }])),
  );
  declareAll(emptied, versioned(2, "reconfigured")).split.add("new");
  for (const list of Object.values(emptied.snapshot())) equal(list.serializer.version, 1);
  const refused = isInvalid(/Cannot restore state "\w+" .*"f64".*"marked" version 1/);
  throws(() => states(lists).declare(operatorListState("split", { serializer: f64 })), refused);
  throws(() => states(lists).declare(operatorListState("union", { distribution: "union", serializer: f64 })), refused);
  throws(() => states(lists).declare(broadcastState("map", { serializer: f64 })), refused);
  // From version 2 back to 1 there is no way.
  const newer = states();
  newer.declare(operatorListState("split", { serializer: versioned(2) })).add("a");
  throws(
    () => states(newer.snapshot()).declare(operatorListState("split", { serializer: versioned(1) })),
    isInvalid(/version 2/),
  );
});

test("lists, union lists and broadcast maps of version 1 are migrated to 2 by the migrate() of their descriptor [84, 87]", () => {
  type Sum = { sum: number };
  const all = (owner: OperatorStates, options: StateOptions<Sum>) => ({
    split: owner.declare(operatorListState<Sum>("split", options)),
    union: owner.declare(operatorListState<Sum>("union", { ...options, distribution: "union" })),
    map: owner.declare(broadcastState<string, Sum>("map", options)),
  });
  const owner = states();
  owner.declare(operatorListState<number>("split", { serializer: f64 })).addAll([1, 2]);
  owner.declare(operatorListState<number>("union", { distribution: "union" })).add(3);
  owner.declare(broadcastState<string, number>("map")).set("key", 4);
  const lists = owner.snapshot();
  const migrated = states(lists);
  const now = all(migrated, { version: 2, migrate: (old) => ({ sum: Number(old) }) });
  deepEqual([now.split.get(), now.union.get(), [...now.map]], [
    [{ sum: 1 }, { sum: 2 }],
    [{ sum: 3 }],
    [["key", { sum: 4 }]],
  ]);
  const again = migrated.snapshot();
  for (const { serializer } of Object.values(again)) {
    deepEqual(serializer, { id: "auto", version: 1, schemaVersion: 2 });
  }
  deepEqual(all(states(again), { version: 2 }).map.get("key"), { sum: 4 });
  throws(
    () => all(states(again), {}),
    isInvalid(/of operator "op" .* schema version 1: .* schema version 2, .* later/),
  );
  throws(() => all(states(lists), { version: 2 }), isInvalid(/for which no migrate\(\) is declared/));
  for (const wrong of [undefined, { sum: () => 1 }] as readonly unknown[]) { // only given back
    const migrate = () => wrong as Sum; // wrong on purpose
    throws(
      () => all(states(lists), { version: 2, migrate }),
      isInvalid(/^Cannot migrate state "split" of operator "op"/),
    );
  }
});

test("bytes that are no item of a state are refused as corrupt [84]", () => {
  const item = (...bytes: number[]) => ({
    "state:rules": {
      distribution: "broadcast" as const,
      serializer: { id: "f64", version: 1, schemaVersion: 1 },
      items: [Uint8Array.from(bytes)],
    },
  });
  const declare = (lists: Lists) => states(lists).declare(broadcastState("rules", { serializer: f64 }));
  const isCorrupt = (error: unknown) => error instanceof StreamError && error.kind === "corrupt";
  equal(declare(item(0x11, 0, 0, 0, 0, 0, 0, 0, 0)).get(true), 0);
  for (const bytes of [[], [0x99], [0x11], [0x11, 0, 0, 0, 0, 0, 0, 0, 0, 0]]) {
    throws(() => declare(item(...bytes)), isCorrupt);
  }
});
