/** State with a time to live through snapshots and restores, on any backend. */
import { deepEqual, equal } from "node:assert/strict";
import { test } from "node:test";
import { TtlStates } from "../../backends/ttl/ttl_states.ts";
import type { StateBackend, StateBackendFactory } from "../../core/backend.ts";
import { listState, mapState, valueState } from "../../core/descriptors.ts";
import { f64 } from "../../core/serializer.ts";
import type { KeyedStateHandle } from "../../core/snapshot.ts";
import { stateTtl } from "../../core/state_ttl.ts";
import { ALL, BackendRig } from "./backend_rig.ts";
import { BY_READS, KINDS, TTL_MS, ttlStatesOf } from "./ttl_state.ts";

const LIVES = stateTtl({ time: TTL_MS, ...BY_READS });
const LEFT_OUT = stateTtl({ time: TTL_MS, cleanup: { ...BY_READS.cleanup, fullSnapshot: true } });

/** Items 46, 85, 86, 100-103. */
export function ttlSnapshotSuite(name: string, factory: StateBackendFactory): void {
  for (const kind of Object.keys(KINDS)) stampTests(`${name}, ${kind} state`, kind, factory);
  cleanupTests(name, factory);
  concurrentTests(name, factory);
  changeTests(name, factory);
  rescaleTests(name, factory);
  longTests(name, factory);
}

const at = (rig: BackendRig, ms: number) => rig.clock.advance(ms - rig.clock.nowMs());

function stampTests(name: string, kind: string, factory: StateBackendFactory): void {
  test(`${name}: stamps travel in full snapshots, savepoints and increments [100, 101]`, async () => {
    for (const options of [{ full: true }, { canonical: true }, {}]) {
      await using rig = new BackendRig(factory);
      await using backend = await rig.open([], { incremental: true });
      const state = KINDS[kind]!(ttlStatesOf(backend, rig), LIVES);
      const write = (key: string, value: number) => {
        backend.setCurrentKey(key);
        state.write(value);
      };
      write("a", 1);
      at(rig, 40);
      const first = await rig.snapshot(backend, { confirm: true });
      write("b", 2);
      at(rig, 80);
      const second = await rig.snapshot(backend, options);
      const readAll = async (handle: KeyedStateHandle | null) => {
        await using restored = await rig.open([handle]);
        const number = KINDS[kind]!(ttlStatesOf(restored, rig), LIVES);
        return ["a", "b"].map((key) => {
          restored.setCurrentKey(key);
          return number.read();
        });
      };
      deepEqual(await readAll(second), [1, 2]);
      at(rig, 110);
      deepEqual(await readAll(first), [null, null]);
      deepEqual(await readAll(second), [null, 2]);
      at(rig, 150);
      deepEqual(await readAll(second), [null, null]);
    }
  });

  test(`${name}: the stamps of an older snapshot are in force after it is restored [103]`, async () => {
    await using rig = new BackendRig(factory);
    await using backend = await rig.open();
    const state = KINDS[kind]!(ttlStatesOf(backend, rig), LIVES);
    const write = (key: string, value: number) => {
      backend.setCurrentKey(key);
      state.clear();
      state.write(value);
    };
    write("k1", 1);
    at(rig, 50);
    write("k2", 2);
    at(rig, 90);
    // Writes fall between the slices of the snapshot.
    let writes = 0;
    const handle = await rig.snapshot(backend, {
      between() {
        if (writes++ < 3) { for (const key of ["k1", "k2"]) write(key, 10 + writes); }
      },
    });
    write("k1", 20);
    at(rig, 120);
    await using restored = await rig.open([handle]);
    const older = KINDS[kind]!(ttlStatesOf(restored, rig), LIVES);
    restored.setCurrentKey("k1");
    equal(older.read(), null);
    restored.setCurrentKey("k2");
    equal(older.read(), 2);
    backend.setCurrentKey("k1");
    equal(state.read(), 20);
  });

  test(`${name}: what is over is in no canonical savepoint; with the clock set back nothing is there [102]`, async () => {
    await using rig = new BackendRig(factory);
    await using backend = await rig.open();
    const state = KINDS[kind]!(ttlStatesOf(backend, rig), LEFT_OUT);
    const write = (key: string, value: number) => {
      backend.setCurrentKey(key);
      state.write(value);
    };
    write("old", 1);
    at(rig, 60);
    write("young", 2);
    at(rig, TTL_MS);
    const early = await rig.snapshot(backend, { canonical: true });
    at(rig, 60 + TTL_MS);
    equal(await rig.snapshot(backend, { canonical: true }), null, "not even an empty file");
    equal(backend.entryCount, 2, "a snapshot changes nothing");
    await using restored = await rig.open([early]);
    const number = KINDS[kind]!(new TtlStates(restored, () => 0), LEFT_OUT);
    restored.setCurrentKey("young");
    equal(number.read(), 2);
    equal(restored.entryCount, 1);
    restored.setCurrentKey("old");
    equal(number.read(), null);
    await using kept = await rig.open();
    const other = KINDS[kind]!(ttlStatesOf(kept, rig), LIVES);
    kept.setCurrentKey("k");
    other.write(1);
    rig.clock.advance(TTL_MS);
    await using again = await rig.open([await rig.snapshot(kept, { canonical: true })]);
    KINDS[kind]!(ttlStatesOf(again, rig), LIVES);
    equal(again.entryCount, 1, "unless it is switched off");
  });
}

function cleanupTests(name: string, factory: StateBackendFactory): void {
  test(`${name}: a savepoint leaves out list elements and map entries one by one [102]`, async () => {
    await using rig = new BackendRig(factory);
    await using backend = await rig.open();
    const states = ttlStatesOf(backend, rig);
    const list = states.state(listState<number>("list", { ttl: LEFT_OUT }));
    const map = states.state(mapState<number, number>("map", { ttl: LEFT_OUT }));
    for (const key of ["k", "l"]) {
      backend.setCurrentKey(key);
      for (let i = 0; i < 40; i++) {
        list.add(i);
        map.set(i, i);
      }
    }
    at(rig, 60);
    list.add(40);
    map.set(40, 40);
    at(rig, TTL_MS);
    await using restored = await rig.open([await rig.snapshot(backend, { canonical: true })]);
    const others = new TtlStates(restored, () => 0);
    const listThere = others.state(listState<number>("list", { ttl: LEFT_OUT }));
    const mapThere = others.state(mapState<number, number>("map", { ttl: LEFT_OUT }));
    restored.setCurrentKey("l");
    deepEqual(listThere.get(), [40]);
    deepEqual([...mapThere], [[40, 40]]);
    restored.setCurrentKey("k");
    deepEqual(listThere.get(), []);
    equal(restored.entryCount, 2);
    listThere.add(41);
    deepEqual(listThere.get(), [41]);
  });
}

function concurrentTests(name: string, factory: StateBackendFactory): void {
  test(`${name}: two savepoints under way leave out each what was over when it was taken [46]`, async () => {
    await using rig = new BackendRig(factory);
    await using backend = await rig.open();
    const state = KINDS["value"]!(ttlStatesOf(backend, rig), LEFT_OUT);
    for (let i = 0; i < 10; i++) {
      at(rig, i * 10);
      backend.setCurrentKey(`key-${i}`);
      state.write(i);
    }
    const take = (checkpointId: number) => backend.snapshot({ checkpointId, full: true, canonical: true });
    at(rig, TTL_MS + 30);
    const first = take(1);
    at(rig, TTL_MS + 70);
    const second = take(2);
    const writing = [second.write(rig.files), first.write(rig.files)];
    at(rig, 5 * TTL_MS);
    const handles = await rig.clock.runUntil(Promise.all(writing));
    const counts: number[] = [];
    for (const handle of handles) {
      await using restored = await rig.open([handle]);
      KINDS["value"]!(ttlStatesOf(restored, rig), LIVES);
      counts.push(restored.entryCount);
    }
    deepEqual(counts, [2, 6]);
  });
}

function changeTests(name: string, factory: StateBackendFactory): void {
  for (const kind of Object.keys(KINDS)) {
    test(`${name}, ${kind} state gets a time to live with a restore: its values begin their life there [86]`, async () => {
      await using rig = new BackendRig(factory);
      await using backend = await rig.open();
      const plain = KINDS[kind]!(backend);
      backend.setCurrentKey("k");
      plain.write(1);
      at(rig, 1000);
      await using restored = await rig.open([await rig.snapshot(backend)]);
      const mortal = KINDS[kind]!(ttlStatesOf(restored, rig), LIVES);
      restored.setCurrentKey("k");
      equal(mortal.read(), 1);
      at(rig, 1000 + TTL_MS - 1);
      equal(mortal.read(), 1);
      at(rig, 1000 + TTL_MS);
      equal(mortal.read(), null);
    });

    test(`${name}, ${kind} state loses its time to live with a restore, and lives for ever [86]`, async () => {
      await using rig = new BackendRig(factory);
      await using backend = await rig.open();
      const mortal = KINDS[kind]!(ttlStatesOf(backend, rig), LIVES);
      backend.setCurrentKey("k");
      mortal.write(1);
      await using restored = await rig.open([await rig.snapshot(backend)], { incremental: true });
      const plain = KINDS[kind]!(restored);
      restored.setCurrentKey("k");
      at(rig, 10 * TTL_MS);
      equal(plain.read(), 1);
      // And gets one again, behind an increment.
      await using third = await rig.open([await rig.snapshot(restored, { confirm: true })]);
      const again = KINDS[kind]!(ttlStatesOf(third, rig), LIVES);
      third.setCurrentKey("k");
      equal(again.read(), 1);
    });

    test(`${name}, ${kind} state: another time to live is in force for older stamps, too [85]`, async () => {
      await using rig = new BackendRig(factory);
      await using backend = await rig.open();
      const state = KINDS[kind]!(ttlStatesOf(backend, rig), LIVES);
      backend.setCurrentKey("k");
      state.write(1);
      at(rig, TTL_MS / 2);
      const handle = await rig.snapshot(backend);
      const readWith = async (time: number) => {
        await using restored = await rig.open([handle]);
        const other = KINDS[kind]!(ttlStatesOf(restored, rig), stateTtl({ time, ...BY_READS }));
        restored.setCurrentKey("k");
        return other.read();
      };
      equal(await readWith(TTL_MS / 2), null);
      at(rig, 2 * TTL_MS);
      equal(await readWith(TTL_MS), null);
      equal(await readWith(3 * TTL_MS), 1);
    });
  }

  test(`${name}: a state with a time to live migrates as others do, and keeps its stamps`, async () => {
    await using rig = new BackendRig(factory);
    await using backend = await rig.open();
    const first = ttlStatesOf(backend, rig).state(valueState<number>("v", { serializer: f64, ttl: LIVES }));
    backend.setCurrentKey("k");
    first.update(1);
    at(rig, 60);
    await using restored = await rig.open([await rig.snapshot(backend)]);
    const second = ttlStatesOf(restored, rig).state(
      valueState<{ n: number }>("v", { version: 2, migrate: (old) => ({ n: Number(old) }), ttl: LIVES }),
    );
    restored.setCurrentKey("k");
    deepEqual(second.value(), { n: 1 });
    at(rig, TTL_MS);
    equal(second.value(), null);
  });

  test(`${name}: stamps of a state that nobody declares travel on`, async () => {
    await using rig = new BackendRig(factory);
    await using backend = await rig.open();
    const state = KINDS["map"]!(ttlStatesOf(backend, rig), LIVES);
    backend.setCurrentKey("k");
    state.write(1);
    for (const canonical of [false, true]) {
      await using carrier = await rig.open([await rig.snapshot(backend)]);
      await using restored = await rig.open([await rig.snapshot(carrier, { canonical })]);
      const there = KINDS["map"]!(ttlStatesOf(restored, rig), LIVES);
      restored.setCurrentKey("k");
      equal(there.read(), 1);
      at(rig, rig.clock.nowMs() + TTL_MS / 2 + 1);
    }
  });
}

function rescaleTests(name: string, factory: StateBackendFactory): void {
  test(`${name}: stamps stay with their keys when the parallelism changes [101]`, async () => {
    await using rig = new BackendRig(factory);
    const middle = 64;
    const ranges = [{ start: 0, end: middle - 1 }, { start: middle, end: ALL.end }];
    const keys = Array.from({ length: 20 }, (_, i) => `key-${i}`);
    await using backend = await rig.open();
    const state = KINDS["value"]!(ttlStatesOf(backend, rig), LIVES);
    for (const [i, key] of keys.entries()) {
      at(rig, i * 5);
      backend.setCurrentKey(key);
      state.write(i);
    }
    const whole = await rig.snapshot(backend);
    const parts: StateBackend[] = [];
    for (const keyGroups of ranges) parts.push(await rig.open([whole], { keyGroups }));
    for (const part of parts) KINDS["value"]!(ttlStatesOf(part, rig), LIVES);
    const handles: (KeyedStateHandle | null)[] = [];
    for (const part of parts) handles.push(await rig.snapshot(part));
    at(rig, TTL_MS + 50);
    await using joined = await rig.open(handles);
    const again = KINDS["value"]!(ttlStatesOf(joined, rig), LIVES);
    const alive = keys.filter((key) => {
      joined.setCurrentKey(key);
      return again.read() !== null;
    });
    deepEqual(alive, keys.slice(11));
  });
}

const DAY_MS = 86_400_000;

/** Times that are further apart than an integer of 32 bits can say. */
function longTests(name: string, factory: StateBackendFactory): void {
  for (const kind of Object.keys(KINDS)) {
    test(`${name}, ${kind} state: a life of many months ends to the millisecond, whatever lies between [91] [101]`, async () => {
      await using rig = new BackendRig(factory);
      at(rig, 20_000 * DAY_MS);
      const start = rig.clock.nowMs();
      const ttl = stateTtl({ time: "100 d" });
      let backend = await rig.open();
      let states = ttlStatesOf(backend, rig);
      let state = KINDS[kind]!(states, ttl);
      const read = (key: string) => {
        backend.setCurrentKey(key);
        return state.read();
      };
      const write = (key: string, value: number) => {
        backend.setCurrentKey(key);
        state.write(value);
      };
      write("first", 1);
      at(rig, start + 24 * DAY_MS);
      write("second", 2);
      // Farther than a tick goes, all at once and bit by bit.
      at(rig, start + 60 * DAY_MS);
      write("third", 3);
      states.endSlice(1_000);
      deepEqual(["first", "second", "third"].map(read), [1, 2, 3]);
      backend = await rig.open([await rig.snapshot(backend)]);
      states = ttlStatesOf(backend, rig);
      state = KINDS[kind]!(states, ttl);
      for (let day = 61; day < 99; day += 13) {
        at(rig, start + day * DAY_MS);
        states.endSlice(day * 100);
        deepEqual(["first", "second", "third"].map(read), [1, 2, 3], `day ${day}`);
      }
      at(rig, start + 100 * DAY_MS - 1);
      equal(read("first"), 1);
      at(rig, start + 100 * DAY_MS);
      states.endSlice(20_000);
      if (name === "heap") equal(backend.entryCount, 2, "swept");
      equal(read("first"), null);
      at(rig, start + 124 * DAY_MS - 1);
      deepEqual(["first", "second", "third"].map(read), [null, 2, 3]);
      at(rig, start + 160 * DAY_MS - 1);
      deepEqual(["first", "second", "third"].map(read), [null, null, 3]);
      at(rig, start + 160 * DAY_MS);
      equal(read("third"), null);
      equal(backend.entryCount, 0);
    });
  }

  test(`${name}: a clock that is set back makes nothing over, and nothing is lost`, async () => {
    await using rig = new BackendRig(factory);
    const backend = await rig.open();
    let nowMs = 20_000 * DAY_MS;
    const states = new TtlStates(backend, () => nowMs);
    const state = KINDS["value"]!(states, LIVES);
    backend.setCurrentKey("k");
    state.write(1);
    for (const days of [1, 30, 19_000]) {
      nowMs = (20_000 - days) * DAY_MS;
      states.beginSlice();
      equal(state.read(), 1, `${days} days ago`);
    }
    nowMs = 20_000 * DAY_MS + TTL_MS;
    states.beginSlice();
    equal(state.read(), null);
  });
}
