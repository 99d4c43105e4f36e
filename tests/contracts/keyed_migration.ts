/** Restored state that is declared with a higher version, another serializer, or both. */
import { deepEqual, equal, match, ok, throws } from "node:assert/strict";
import { test } from "node:test";
import { OpenRun } from "../../backends/runs/open_run.ts";
import type { RunState } from "../../backends/runs/run_format.ts";
import type { StateBackend, StateBackendFactory } from "../../core/backend.ts";
import { listState, mapState, valueState } from "../../core/descriptors.ts";
import { StreamError } from "../../core/errors.ts";
import type { Key } from "../../core/key.ts";
import { keyGroupOf, keyGroupRangeOf, operatorIndexOf } from "../../core/key_groups.ts";
import { f64, type Serializer, str } from "../../core/serializer.ts";
import type { KeyedStateHandle } from "../../core/snapshot.ts";
import { HeapRows } from "../support/heap_rows.ts";
import { BackendRig, MAX_PARALLELISM } from "./backend_rig.ts";
import {
  AnyTextNumber,
  change,
  EndianNumber,
  fill,
  HOUR,
  KEYS,
  migrate,
  old,
  type Sum,
  V2,
  V2_ALONE,
  verify,
  young,
} from "./migration_sample.ts";
import { TextNumber } from "./snapshot_sample.ts";

/** A snapshot of all kinds in version 1. */
async function written(rig: BackendRig, serializer?: Serializer<number>): Promise<KeyedStateHandle | null> {
  await using backend = await rig.open();
  fill(backend, old(serializer));
  return await rig.snapshot(backend);
}

/** The state table of a snapshot of one run. */
async function stateTable(rig: BackendRig, handle: KeyedStateHandle | null): Promise<readonly RunState[]> {
  equal(handle!.runs.length, 1);
  const run = await OpenRun.openSnapshot(handle!.runs[0]!, rig.files);
  run.close();
  return run.states;
}

/** Backends that together own all key groups. */
async function team(rig: BackendRig, parallelism: number, handles: readonly (KeyedStateHandle | null)[]) {
  const members: StateBackend[] = [];
  for (let i = 0; i < parallelism; i++) {
    const keyGroups = keyGroupRangeOf(i, { parallelism, maxParallelism: MAX_PARALLELISM });
    members.push(await rig.open(handles, { keyGroups, incremental: true }));
  }
  const at = (key: string): StateBackend => {
    const group = keyGroupOf(key, MAX_PARALLELISM);
    const member = members[operatorIndexOf(group, { parallelism, maxParallelism: MAX_PARALLELISM })]!;
    member.setCurrentKey(key);
    return member;
  };
  const snapshot = async (id: number) => {
    const taken = [];
    for (const member of members) taken.push(await rig.snapshot(member, { id, confirm: true }));
    return taken;
  };
  return { members, at, snapshot };
}

/** Runs `body`, which must fail with a StreamError "invalid", and returns its message. */
function refusal(body: () => void): string {
  let message = "";
  throws(body, (error) => {
    ok(error instanceof StreamError, String(error));
    equal(error.kind, "invalid");
    message = error.message;
    return true;
  });
  return message;
}

/** Items 77-83, 87-89. */
export function migrationSuite(name: string, factory: StateBackendFactory): void {
  for (const incremental of [false, true]) {
    const how = incremental ? "with increments" : "full";
    test(`${name}: values of version 1 are migrated to 2, each kind, and are whole in what follows, ${how} [77] [87]`, async () => {
      await using rig = new BackendRig(factory);
      await using migrated = await rig.open([await written(rig)], { incremental });
      for (const descriptor of Object.values(V2)) migrated.state(descriptor as typeof V2.value);
      await rig.clock.runUntil(migrated.finishRestore?.() ?? Promise.resolve());
      verify(migrated, V2);
      // Version 2 alone can read this: nothing of version 1 is left.
      const first = await rig.snapshot(migrated, { confirm: true });
      verify(await rig.open([first], { incremental }), V2_ALONE);
      change(migrated, V2, 5);
      verify(migrated, V2, 5);
      verify(await rig.open([await rig.snapshot(migrated, { confirm: true })], { incremental }), V2_ALONE, 5);
      verify(await rig.open([await rig.snapshot(migrated, { full: true })]), V2_ALONE, 5);
      const canonical = await rig.snapshot(migrated, { canonical: true });
      const states = await stateTable(rig, canonical);
      equal(states.length, 5);
      for (const { schemaVersion } of states) equal(schemaVersion, 2);
      verify(await rig.open([canonical]), V2_ALONE, 5);
      verify(await rig.open([first]), V2);
    });
  }

  test(`${name}: values are migrated at once when they are used before anybody has waited for it [77]`, async () => {
    await using rig = new BackendRig(factory);
    const handle = await written(rig);
    const touches: ((backend: StateBackend) => void)[] = [
      (backend) => {
        const value = backend.state(V2.value);
        backend.setCurrentKey("k7");
        deepEqual(value.value(), { sum: 7 });
      },
      (backend) => {
        backend.setCurrentKey("k7");
        deepEqual(backend.state(V2.list).get(), [{ sum: 7 }, { sum: 8 }, { sum: 9 }]);
      },
      (backend) => equal([...backend.keys(V2.map)].length, KEYS),
      (backend) => backend.applyToAllKeys(V2.fold, HOUR, () => ok(false)),
      (backend) => {
        backend.state(V2.mean);
        equal(backend.entryCount, KEYS);
      },
    ];
    for (const touch of touches) {
      await using backend = await rig.open([handle]);
      touch(backend);
      verify(backend, V2);
    }
    await using backend = await rig.open([handle]);
    backend.state(V2.value);
    await using again = await rig.open([await rig.snapshot(backend)]);
    again.setCurrentKey("k9");
    deepEqual(again.state(V2_ALONE.value).value(), { sum: 9 });
    equal(again.state(old().fold).get(), 9);
  });

  test(`${name}: state that is declared after a checkpoint of its old values is whole in the next one [77] [87]`, async () => {
    await using rig = new BackendRig(factory);
    await using backend = await rig.open([await written(rig)], { incremental: true });
    await rig.snapshot(backend, { confirm: true });
    change(backend, V2, 3);
    verify(await rig.open([await rig.snapshot(backend, { confirm: true })], { incremental: true }), V2_ALONE, 3);
    backend.setCurrentKey("extra");
    backend.state(V2.value).update({ sum: 1 });
    await using again = await rig.open([await rig.snapshot(backend, { confirm: true })]);
    again.setCurrentKey("extra");
    deepEqual(again.state(V2_ALONE.value).value(), { sum: 1 });
    again.setCurrentKey("k3");
    deepEqual(again.state(V2_ALONE.list).get().at(-1), { sum: 3 });
  });

  test(`${name}: migrate() is told the version; a chain of versions is one function [77]`, async () => {
    await using rig = new BackendRig(factory);
    let handle = await written(rig);
    const seen = new Set<number>();
    const upTo = (version: number) =>
      valueState<{ v: number; n: unknown }>("value", {
        version,
        migrate: (value, from) => {
          seen.add(from);
          const n = from === 1 ? value : (value as { n: unknown }).n;
          return { v: version, n };
        },
      });
    for (const version of [2, 5]) {
      await using backend = await rig.open([handle]);
      backend.setCurrentKey("k3");
      deepEqual(backend.state(upTo(version)).value(), { v: version, n: 3 });
      handle = await rig.snapshot(backend);
    }
    deepEqual([...seen], [1, 2]);
  });

  const before: readonly [string, Serializer<number> | undefined][] = [
    ["f64", f64],
    ["a serializer of the user's", new AnyTextNumber(1)],
  ];
  for (const [what, serializer] of before) {
    test(`${name}: values of ${what} are migrated to those of another serializer [77]`, async () => {
      await using rig = new BackendRig(factory);
      const handle = await written(rig, serializer);
      const previousSerializers = serializer === f64 ? {} : { previousSerializers: [new AnyTextNumber(1)] };
      await using migrated = await rig.open([handle]);
      verify(migrated, young({ version: 2, migrate, ...previousSerializers }));
      await using again = await rig.open([await rig.snapshot(migrated)]);
      verify(again, V2_ALONE);
    });
  }

  test(`${name}: a new format and a new version at once: first the serializer migrates, then the state [77]`, async () => {
    await using rig = new BackendRig(factory);
    const handle = await written(rig, new AnyTextNumber(1));
    const negated = (version: number) => ({
      version: 2,
      serializer: new AnyTextNumber(version),
      migrate: (value: unknown) => -(value as number),
    });
    await using migrated = await rig.open([handle]);
    migrated.setCurrentKey("k8");
    equal(migrated.state(valueState<number>("value", negated(2))).value(), -8);
    deepEqual(migrated.state(listState<number>("list", negated(2))).get(), [-8, -9, -10]);
    // A new format alone is no matter of the state's migrate().
    await using again = await rig.open([await rig.snapshot(migrated)]);
    again.setCurrentKey("k8");
    equal(again.state(valueState<number>("value", negated(3))).value(), -8);
  });

  test(`${name}: the serializer that it was reconfigured to is the one used, never the one passed [78]`, async () => {
    await using rig = new BackendRig(factory);
    const handle = await written(rig, new EndianNumber(1));
    const passed = new EndianNumber(2);
    passed.write = () => ok(false, "the serializer that was passed has written");
    passed.read = () => {
      throw new Error("the serializer that was passed has read");
    };
    const { value, list, map, fold } = old(passed);
    await using restored = await rig.open([handle]);
    restored.setCurrentKey("k4");
    equal(restored.state(value).value(), 4);
    restored.state(value).update(44);
    deepEqual(restored.state(list).get(), [4, 5, 6]);
    equal(restored.state(map).get("b"), -5);
    restored.state(fold).add(1);
    // It goes on in the order of bytes that it has found: version 1, which the plain serializer reads.
    await using again = await rig.open([await rig.snapshot(restored)]);
    const plain = (state: string) => {
      const serializer = new EndianNumber(1);
      serializer.reconfigure = () => {
        throw new Error("values of version 2 were written");
      };
      return valueState<number>(state, { serializer });
    };
    again.setCurrentKey("k4");
    equal(again.state(plain("value")).value(), 44);
    equal(again.state(old(new EndianNumber(1)).fold).get(), 5);
  });

  test(`${name}: what cannot be read is refused with both versions and the remedy, and nothing is touched [79]`, async () => {
    await using rig = new BackendRig(factory);
    await using restored = await rig.open([await written(rig, f64)]);
    restored.setCurrentKey("k1");
    const refused: readonly [() => unknown, RegExp][] = [
      [() => restored.state(valueState("value", { version: 2 })), /for which no migrate\(\) is declared; declare one/],
      [() => restored.state(valueState("value", { serializer: str })), /which it cannot read; declare the state with/],
      [() => restored.state(old(new TextNumber(2)).value), /serializer "text-number" version 2, schema version 1:/],
    ];
    for (const [declare, reason] of refused) {
      const message = refusal(declare);
      match(message, /^Cannot restore state "value" of operator "op" with serializer "[a-z0-9-]+" version \d, schema/);
      match(message, /its values were written by serializer "f64" version 1, schema version 1, /);
      match(message, reason);
    }
    equal(restored.state(old(f64).value).value(), 1);
    const newer = await rig.open([await written(rig)]);
    verify(newer, V2);
    const later = await rig.open([await rig.snapshot(newer)]);
    match(
      refusal(() => later.state(old().list)),
      /schema version 2, which is later than 1; start a program that declares/,
    );
    verify(later, V2_ALONE);
  });

  test(`${name}: a migrate() that fails names operator, state and key, and leaves the snapshot as it is [79]`, async () => {
    await using rig = new BackendRig(factory);
    const handle = await written(rig);
    const failing: readonly [(value: unknown) => unknown, RegExp][] = [
      [() => {
        throw new Error("no such field");
      }, /migrate\(\) from schema version 1 to 2 has failed with "no such field"; the snapshot is as it was/],
      [() => undefined, /migrate\(\) from schema version 1 to 2 has returned undefined, it must return a value/],
      [() => ({ call: () => 1 }), /\.call/],
    ];
    for (const [wrong, reason] of failing) {
      for (const kind of ["value", "list", "map"] as const) {
        const backend = await rig.open([handle]);
        const states = young({
          version: 2,
          // What it returns is wrong on purpose.
          migrate: (value) => (Math.abs(Number(value)) === 300 ? wrong(value) : migrate(value)) as Sum,
        });
        const message = refusal(() => [...backend.keys(states[kind])]);
        match(
          message,
          /^Cannot migrate state "(value|list|map)" of operator "op" at key "k\d+" from serializer "auto"/,
        );
        match(message, reason);
      }
    }
    verify(await rig.open([handle]), V2);
  });

  test(`${name}: keys, namespaces and keys of maps are bytes that never change; values beside them migrate [80] [81] [82]`, async () => {
    await using rig = new BackendRig(factory);
    const keys: Key[] = ["", "k", 0, 1.5, 7n, true, Uint8Array.of(1, 2), ["a", 1, [true, 2n]]];
    await using backend = await rig.open();
    for (const [i, key] of keys.entries()) {
      backend.setCurrentKey(key);
      for (const [j, part] of keys.entries()) {
        const map = backend.state(mapState<Key, number>("cells"));
        map.setNamespace(part);
        for (const [l, cell] of keys.entries()) map.set(cell, i * 100 + j * 10 + l);
      }
    }
    await using migrated = await rig.open([await rig.snapshot(backend)]);
    const map = migrated.state(mapState<Key, Sum>("cells", { version: 2, migrate }));
    for (const [i, key] of keys.entries()) {
      migrated.setCurrentKey(key);
      for (const [j, part] of keys.entries()) {
        map.setNamespace(part);
        for (const [l, cell] of keys.entries()) deepEqual(map.get(cell), { sum: i * 100 + j * 10 + l });
        equal(map.size, keys.length);
      }
    }
  });

  test(`${name}: other states and timers are unaffected when one state migrates [83] [88]`, async () => {
    await using rig = new BackendRig(factory);
    await using backend = await rig.open([], { incremental: true });
    const timers = new HeapRows();
    backend.attach(timers);
    const stored = backend.orderedRows?.("stored-timers");
    fill(backend, old());
    for (let group = 0; group < MAX_PARALLELISM; group++) {
      timers.set(group, group * 2, true);
      stored?.add(group, Uint8Array.of(group), 1);
    }
    const handle = await rig.snapshot(backend);
    await using migrated = await rig.open([handle], { incremental: true });
    const loaded = new HeapRows();
    migrated.attach(loaded);
    migrated.state(V2.value);
    await rig.clock.runUntil(migrated.finishRestore?.() ?? Promise.resolve());
    for (const target of [migrated, await rig.open([await rig.snapshot(migrated, { confirm: true })])]) {
      const own = target === migrated ? loaded : new HeapRows();
      if (target !== migrated) target.attach(own);
      const again = target.orderedRows?.("stored-timers");
      for (let group = 0; group < MAX_PARALLELISM; group++) {
        deepEqual(own.numbers(group), [group * 2]);
        if (again !== undefined) ok(again.has(group, Uint8Array.of(group), 1));
      }
      const { list, map, fold } = old();
      target.setCurrentKey("k5");
      deepEqual(target.state(V2.value).value(), { sum: 5 });
      deepEqual(target.state(list).get(), [5, 6, 7]);
      deepEqual([...target.state(map)].sort(), [["a", 5], ["b", -6]]);
      equal(target.state(fold).get(), 5);
    }
  });

  for (const afterwards of ["checkpoint", "canonical savepoint"]) {
    test(`${name}: state that is declared no more is carried with its writer, over two rescales, in several formats, to a ${afterwards} [89]`, async () => {
      await using rig = new BackendRig(factory);
      const kept = valueState<number>("kept", { serializer: f64 });
      const early = await team(rig, 1, []);
      for (let i = 0; i < KEYS; i++) {
        early.at(`k${i}`).state(old().value).update(i);
        early.at(`k${i}`).state(kept).update(i);
      }
      const first = await early.snapshot(1);
      // One half migrates, the other has gone on as it was: an operator whose subtasks were stopped in between.
      const halves = await team(rig, 2, first);
      halves.members[0]!.state(V2.value);
      halves.members[1]!.state(old().value);
      // Now nobody declares anything: 2 → 3 → 1, with a change of another state in between.
      const three = await team(rig, 3, await halves.snapshot(2));
      const other = valueState<string>("other");
      for (let i = 0; i < KEYS; i++) three.at(`k${i}`).state(other).update(`o${i}`);
      await three.snapshot(3);
      for (let i = 0; i < KEYS; i += 2) three.at(`k${i}`).state(other).update(`p${i}`);
      const one = await team(rig, 1, await three.snapshot(4));
      const canonical = await rig.snapshot(one.members[0]!, { canonical: true });
      const states = await stateTable(rig, canonical);
      deepEqual(states.map((state) => [state.name, state.serializerId, state.schemaVersion]), [
        ["kept", "f64", 1],
        ["other", "auto", 1],
        ["value", "auto", 1],
        ["value", "auto", 2],
      ]);
      const last = await team(rig, 2, afterwards === "checkpoint" ? await one.snapshot(5) : [canonical]);
      for (let i = 0; i < KEYS; i++) {
        const backend = last.at(`k${i}`);
        deepEqual(backend.state(V2.value).value(), { sum: i });
        equal(backend.state(kept).value(), i);
        equal(backend.state(other).value(), i % 2 === 0 ? `p${i}` : `o${i}`);
      }
      equal([...last.members].reduce((sum, member) => sum + [...member.keys(V2.value)].length, 0), KEYS);
    });
  }

  test(`${name}: subtasks of which one has migrated and one has not restore together, with updates since [77] [89]`, async () => {
    await using rig = new BackendRig(factory);
    const early = await team(rig, 1, []);
    for (let i = 0; i < KEYS; i++) early.at(`k${i}`).state(old().list).addAll([i, i + 1]);
    const halves = await team(rig, 2, await early.snapshot(1));
    const [young1, old1] = halves.members;
    for (let i = 0; i < KEYS; i++) {
      const member = halves.at(`k${i}`);
      if (member === young1) member.state(V2.list).add({ sum: i + 2 });
      else if (member === old1) member.state(old().list).add(i + 2);
    }
    const three = await team(rig, 3, await halves.snapshot(2));
    for (let i = 0; i < KEYS; i++) {
      deepEqual(three.at(`k${i}`).state(V2.list).get(), [i, i + 1, i + 2].map((sum) => ({ sum })));
    }
    const again = await team(rig, 2, await three.snapshot(3));
    for (let i = 0; i < KEYS; i++) equal(again.at(`k${i}`).state(V2_ALONE.list).get().length, 3);
  });

  test(`${name}: restored rows are read or written anew in slices between which others work; a close cuts it short [77]`, async () => {
    await using rig = new BackendRig(factory);
    const handle = await written(rig);
    const backend = await rig.open([handle]);
    for (const descriptor of Object.values(V2)) backend.state(descriptor as typeof V2.value);
    let turns = 0;
    await rig.clock.runUntil(backend.finishRestore?.() ?? Promise.resolve(), () => turns++);
    ok(turns > 10, `${turns} turns`);
    verify(backend, V2);
    const closing = await rig.open([handle]);
    closing.state(V2.list);
    const migrating = closing.finishRestore!();
    migrating.catch(() => {}); // It is awaited below.
    await closing.close();
    let failure: unknown;
    await rig.clock.runUntil(migrating).catch((error) => failure = error);
    match(String(failure), /its backend is closed/);
  });
}
