/** Snapshots of one backend: isolation, increments, cancelling, serializers. */
import { deepEqual, equal, ok, rejects, throws } from "node:assert/strict";
import { test } from "node:test";
import type { StateBackend, StateBackendFactory } from "../../core/backend.ts";
import type { ByteReader, ByteWriter } from "../../core/bytes.ts";
import { listState, mapState, reducingState, valueState } from "../../core/descriptors.ts";
import { StreamError } from "../../core/errors.ts";
import { compatibilityOf, f64, type Serializer, type SerializerSnapshot, str } from "../../core/serializer.ts";
import type { FrozenRows, KeyedStateHandle, RowDraft, RowSource } from "../../core/snapshot.ts";
import { BackendRig, MAX_PARALLELISM } from "./backend_rig.ts";

const COUNT = valueState<number>("count", { default: 0 });
const BOX = valueState<{ n: number }>("box");
const ITEMS = listState<number>("items");
const CELLS = mapState<string, number>("cells");
const SUM = reducingState<number>("sum", (left, right) => left + right);
const KEYS = 700;

function fill(backend: StateBackend, round: number): void {
  const states = {
    count: backend.state(COUNT),
    box: backend.state(BOX),
    items: backend.state(ITEMS),
    cells: backend.state(CELLS),
    sum: backend.state(SUM),
  };
  for (let i = 0; i < KEYS; i++) {
    backend.setCurrentKey(`k${i}`);
    states.count.update(round);
    states.box.update({ n: round });
    states.items.add(round);
    states.cells.set(`c${round % 3}`, round).set("fixed", round);
    states.sum.add(round);
  }
}

function read(backend: StateBackend): unknown[] {
  const seen: unknown[] = [];
  for (let i = 0; i < KEYS; i += 53) {
    backend.setCurrentKey(`k${i}`);
    seen.push([
      backend.state(COUNT).value(),
      backend.state(BOX).value(),
      backend.state(ITEMS).get(),
      [...backend.state(CELLS)].sort(),
      backend.state(SUM).get(),
    ]);
  }
  return seen;
}

/** A number as text, in as many formats as there are versions. */
class TextNumber implements Serializer<number> {
  readonly id = "text-number";
  readonly immutable = true;
  constructor(readonly version: number, readonly oldest: number = 1) {}

  write(value: number, out: ByteWriter): void {
    if (value === 13) throw new Error("13 is refused");
    str.write(`v${this.version}:${value}`, out);
  }

  read(input: ByteReader): number {
    return this.migrate(input, this.version);
  }

  migrate(input: ByteReader, previousVersion: number): number {
    const [version, value] = str.read(input).split(":");
    equal(version, `v${previousVersion}`);
    return Number(value);
  }

  compatibilityWith(previous: SerializerSnapshot): ReturnType<Serializer<number>["compatibilityWith"]> {
    return previous.version < this.oldest ? "incompatible" : compatibilityOf(this, previous);
  }
}

/** Items 38-50, 53. */
export function keyedSnapshotSuite(name: string, factory: StateBackendFactory): void {
  isolationTests(name, factory);
  cancelTests(name, factory);
  restoreTests(name, factory);
  serializerTests(name, factory);
  rowSourceTests(name, factory);
  incrementTests(name, factory);
}

function isolationTests(name: string, factory: StateBackendFactory): void {
  test(`${name}: the snapshot of a backend without state is null [38]`, async () => {
    const rig = new BackendRig(factory);
    await using backend = rig.create();
    equal(await rig.snapshot(backend), null);
    equal(rig.files.files.size, 0);
  });

  test(`${name}: a snapshot holds the writes before it and none of those between its slices [39] [41]`, async () => {
    const rig = new BackendRig(factory);
    await using backend = rig.create();
    fill(backend, 1);
    fill(backend, 2);
    const before = read(backend);
    let rounds = 0;
    const handle = await rig.snapshot(backend, {
      between: () => {
        if (rounds++ % 5 === 0) fill(backend, 2 + rounds);
        backend.setCurrentKey(`k${(rounds * 53) % KEYS}`);
        backend.state(COUNT).clear();
        backend.state(ITEMS).clear();
        backend.state(CELLS).clear();
      },
    });
    ok(rounds > 10, "the asynchronous part gave way");
    await using restored = await rig.open([handle]);
    deepEqual(read(restored), before);
    equal(restored.entryCount, KEYS * 5);
  });

  test(`${name}: an object that is changed in place after the snapshot does not reach it [41]`, async () => {
    const rig = new BackendRig(factory);
    await using backend = rig.create();
    const box = backend.state(BOX);
    const boxes = backend.state(listState<{ n: number }>("boxes"));
    const cells = backend.state(mapState<string, { n: number }>("box-cells"));
    for (let i = 0; i < KEYS; i++) {
      backend.setCurrentKey(i);
      box.update({ n: 1 });
      boxes.addAll([{ n: 1 }, { n: 2 }]);
      cells.set("x", { n: 1 });
    }
    let next = 0;
    const handle = await rig.snapshot(backend, {
      between: () => {
        for (let i = 0; i < 20; i++) {
          backend.setCurrentKey(next++ % KEYS);
          box.value()!.n = 99;
          for (const each of boxes.get()) each.n = 99;
          for (const each of cells.values()) each.n = 99;
        }
      },
    });
    await using restored = await rig.open([handle]);
    for (let i = 0; i < KEYS; i++) {
      restored.setCurrentKey(i);
      deepEqual(restored.state(BOX).value(), { n: 1 });
      deepEqual(restored.state(listState("boxes")).get(), [{ n: 1 }, { n: 2 }]);
      deepEqual(restored.state(mapState("box-cells")).get("x"), { n: 1 });
    }
  });

  test(`${name}: successive snapshots restore to their own versions [40]`, async () => {
    const rig = new BackendRig(factory);
    await using backend = rig.create();
    const versions: [unknown[], KeyedStateHandle | null][] = [];
    for (let round = 1; round <= 3; round++) {
      fill(backend, round);
      versions.push([read(backend), await rig.snapshot(backend)]);
    }
    for (const [expected, handle] of versions) {
      await using restored = await rig.open([handle]);
      deepEqual(read(restored), expected);
    }
  });

  test(`${name}: a second snapshot starts and ends while the first waits for its storage [42] [45]`, async () => {
    const gate = Promise.withResolvers<void>();
    const rig = new BackendRig(factory, { beforeWrite: (file) => file === "run-0" ? gate.promise : undefined });
    await using backend = rig.create();
    fill(backend, 1);
    const first = read(backend);
    const slow = backend.snapshot({ checkpointId: 1, full: false }).write(rig.files);
    await rejects(rig.clock.runUntil(slow), /still waits/);
    fill(backend, 2);
    const second = read(backend);
    const quick = await rig.snapshot(backend, { id: 2, between: () => fill(backend, 3) });
    gate.resolve();
    const handle = await rig.clock.runUntil(slow);
    await using restoredSecond = await rig.open([quick]);
    deepEqual(read(restoredSecond), second);
    await using restoredFirst = await rig.open([handle]);
    deepEqual(read(restoredFirst), first);
  });

  test(`${name}: two snapshots whose slices take turns hold their own versions [42]`, async () => {
    const rig = new BackendRig(factory);
    await using backend = rig.create();
    fill(backend, 1);
    const first = read(backend);
    const one = backend.snapshot({ checkpointId: 1, full: false }).write(rig.files);
    fill(backend, 2);
    const second = read(backend);
    const two = backend.snapshot({ checkpointId: 2, full: false }).write(rig.files);
    let round = 3;
    const handles = await rig.clock.runUntil(Promise.all([one, two]), () => {
      if (round < 12) fill(backend, round++);
    });
    for (const [i, expected] of [first, second].entries()) {
      await using restored = await rig.open([handles[i]!]);
      deepEqual(read(restored), expected);
    }
  });
}

function cancelTests(name: string, factory: StateBackendFactory): void {
  const stopped = new Error("stopped by the test");

  test(`${name}: a cancelled snapshot rejects, leaves no file, and the backend goes on [43]`, async () => {
    const rig = new BackendRig(factory);
    await using backend = rig.create();
    fill(backend, 1);
    const pending = backend.snapshot({ checkpointId: 1, full: false });
    const writing = pending.write(rig.files);
    let rounds = 0;
    await rejects(
      rig.clock.runUntil(writing, () => {
        if (++rounds === 30) pending.cancel(stopped);
      }),
      stopped,
    );
    deepEqual([rig.files.openForWrite, rig.files.files.size], [0, 0]);
    const unused = backend.snapshot({ checkpointId: 2, full: false });
    unused.cancel(stopped);
    fill(backend, 2);
    await using restored = await rig.open([await rig.snapshot(backend)]);
    deepEqual(read(restored), read(backend));
  });

  test(`${name}: cancelling a snapshot that waits for its storage ends it at once [43]`, async () => {
    const never = new Promise<void>(() => {});
    const rig = new BackendRig(factory, { beforeWrite: () => never });
    await using backend = rig.create();
    fill(backend, 1);
    const pending = backend.snapshot({ checkpointId: 1, full: false });
    const writing = pending.write(rig.files);
    await rejects(rig.clock.runUntil(writing), /still waits/);
    pending.cancel(stopped);
    await rejects(rig.clock.runUntil(writing), stopped);
    equal(rig.files.openForWrite, 0);
  });

  test(`${name}: closing the backend ends its snapshots; closing again does nothing [44]`, async () => {
    const rig = new BackendRig(factory);
    const backend = rig.create();
    fill(backend, 1);
    const writing = backend.snapshot({ checkpointId: 1, full: false }).write(rig.files);
    rig.clock.runDeferred();
    await backend.close();
    await rejects(rig.clock.runUntil(writing), StreamError);
    await backend.close();
    equal(rig.files.openForWrite, 0);
    throws(() => backend.snapshot({ checkpointId: 2, full: false }), StreamError);
  });

  test(`${name}: a failing storage fails the snapshot, not the backend [43]`, async () => {
    let failing = true;
    const rig = new BackendRig(factory, {
      beforeWrite: () => {
        if (failing) throw new Error("disk full");
      },
    });
    await using backend = rig.create();
    fill(backend, 1);
    await rejects(rig.snapshot(backend), /disk full/);
    equal(rig.files.openForWrite, 0);
    failing = false;
    await using restored = await rig.open([await rig.snapshot(backend)]);
    deepEqual(read(restored), read(backend));
  });

  test(`${name}: a value that cannot be written fails the snapshot and names its state [35]`, async () => {
    const rig = new BackendRig(factory);
    await using backend = rig.create();
    const state = backend.state(valueState<number>("odd", { serializer: new TextNumber(1) }));
    backend.setCurrentKey("a");
    state.update(13);
    await rejects(rig.snapshot(backend), /odd/);
    state.update(14);
    ok(await rig.snapshot(backend) !== null);
  });
}

function restoreTests(name: string, factory: StateBackendFactory): void {
  test(`${name}: state that is restored and never declared is in the next snapshot [47] [89]`, async () => {
    const rig = new BackendRig(factory);
    await using backend = rig.create();
    fill(backend, 1);
    const expected = read(backend);
    await using silent = await rig.open([await rig.snapshot(backend)]);
    const again = await rig.snapshot(silent, { between: () => silent.setCurrentKey("other") });
    await using restored = await rig.open([again]);
    deepEqual(read(restored), expected);
  });

  test(`${name}: state that is declared while a snapshot runs is in it once, as it was restored [41] [47]`, async () => {
    const rig = new BackendRig(factory);
    await using backend = rig.create();
    fill(backend, 1);
    const expected = read(backend);
    await using late = await rig.open([await rig.snapshot(backend)]);
    let rounds = 0;
    const handle = await rig.snapshot(late, {
      between: () => {
        if (++rounds === 3) fill(late, 2);
      },
    });
    await using restored = await rig.open([handle]);
    deepEqual(read(restored), expected);
  });

  test(`${name}: files may go once open() has ended, and none stays open [48]`, async () => {
    const rig = new BackendRig(factory);
    await using backend = rig.create();
    fill(backend, 1);
    const handle = await rig.snapshot(backend);
    await using restored = await rig.open([handle]);
    rig.files.files.clear();
    equal(rig.files.openForRead, 0);
    deepEqual(read(restored), read(backend));
  });

  test(`${name}: states keep their ids and may be declared in another order [51]`, async () => {
    const rig = new BackendRig(factory);
    await using backend = rig.create();
    fill(backend, 1);
    const expected = read(backend);
    await using second = await rig.open([await rig.snapshot(backend)]);
    second.setCurrentKey("k0");
    second.state(valueState<number>("new")).update(5);
    equal(second.state(SUM).get(), 1);
    await using third = await rig.open([await rig.snapshot(second)]);
    deepEqual(read(third), expected);
    third.setCurrentKey("k0");
    equal(third.state(valueState<number>("new")).value(), 5);
  });

  test(`${name}: a restored list goes on in order`, async () => {
    const rig = new BackendRig(factory);
    await using backend = rig.create();
    backend.setCurrentKey("a");
    for (let i = 0; i < 300; i++) backend.state(ITEMS).add(i);
    await using restored = await rig.open([await rig.snapshot(backend)]);
    restored.setCurrentKey("a");
    restored.state(ITEMS).add(300);
    await using again = await rig.open([await rig.snapshot(restored)]);
    again.setCurrentKey("a");
    deepEqual(again.state(ITEMS).get(), Array.from({ length: 301 }, (_, i) => i));
  });

  test(`${name}: files that go inline restore as well [56]`, async () => {
    const rig = new BackendRig(factory, { inlineBelowBytes: 1_000_000 });
    await using backend = rig.create();
    fill(backend, 1);
    const handle = await rig.snapshot(backend);
    equal(handle?.runs[0]?.file.scope, "inline");
    await using restored = await rig.open([handle]);
    deepEqual(read(restored), read(backend));
  });
}

function serializerTests(name: string, factory: StateBackendFactory): void {
  const kinds = (serializer: Serializer<number>) =>
    [
      valueState<number>("v", { serializer }),
      listState<number>("l", { serializer }),
      reducingState<number>("r", (left, right) => left + right, { serializer }),
      mapState<string, number>("m", { serializer }),
    ] as const;

  async function written(rig: BackendRig, serializer: Serializer<number>): Promise<KeyedStateHandle | null> {
    await using backend = rig.create();
    const [value, list, sum, map] = kinds(serializer);
    backend.setCurrentKey("a");
    backend.state(value).update(1);
    backend.state(list).addAll([1, 2]);
    backend.state(sum).add(3);
    backend.state(map).set("x", 4);
    return await rig.snapshot(backend);
  }

  test(`${name}: restored state with an incompatible serializer is refused, for each kind [50]`, async () => {
    const rig = new BackendRig(factory);
    const handle = await written(rig, f64);
    for (const descriptor of kinds(new TextNumber(1))) {
      await using restored = await rig.open([handle]);
      throws(() => restored.keys(descriptor)[Symbol.iterator]().next(), /"text-number" version 1/);
      throws(() => restored.state(listState("v")), /it is value state already/);
    }
  });

  test(`${name}: values of an older version are migrated, and written in the new one [52]`, async () => {
    const rig = new BackendRig(factory);
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

/** Rows kept outside the backend. */
class CountedRows implements RowSource {
  readonly name = "rows of the test";
  readonly loaded = new Map<number, number>();
  readonly heard: string[] = [];
  released = 0;
  constructor(private readonly count: number) {}

  freeze(checkpointId: number, full: boolean): FrozenRows {
    this.heard.push(`freeze ${checkpointId} ${full}`);
    let next = this.count;
    return {
      next: (row: RowDraft): boolean => {
        if (next === 0) return false;
        next--;
        row.kind = "put";
        row.keyGroup = (next * 37) % MAX_PARALLELISM;
        row.key.u32(next);
        row.value.u16(next % 1000);
        return true;
      },
      release: () => {
        this.released++;
      },
    };
  }

  load(keyGroup: number, key: Uint8Array, value: Uint8Array): void {
    const number = new DataView(key.buffer, key.byteOffset).getUint32(0);
    equal(keyGroup, (number * 37) % MAX_PARALLELISM);
    this.loaded.set(number, new DataView(value.buffer, value.byteOffset).getUint16(0));
  }

  confirm(checkpointId: number): void {
    this.heard.push(`confirm ${checkpointId}`);
  }

  abort(checkpointId: number): void {
    this.heard.push(`abort ${checkpointId}`);
  }
}

function rowSourceTests(name: string, factory: StateBackendFactory): void {
  test(`${name}: rows of another owner travel in the snapshot [53]`, async () => {
    const rig = new BackendRig(factory);
    await using backend = rig.create();
    const rows = new CountedRows(3000);
    backend.attach(rows);
    fill(backend, 1);
    const handle = await rig.snapshot(backend, { id: 4 });
    equal(rows.released, 1);
    await using restored = await rig.open([handle]);
    const loaded = new CountedRows(0);
    restored.attach(loaded);
    equal(loaded.loaded.size, 3000);
    equal(loaded.loaded.get(1234), 234);
    deepEqual(read(restored), read(backend));
    backend.confirm(4);
    backend.abort(5);
    deepEqual(rows.heard, ["freeze 4 true", "confirm 4", "abort 5"]);
    throws(() => restored.state(valueState("rows of the test")), StreamError);
  });

  test(`${name}: rows are loaded for the backend's key groups only [63]`, async () => {
    const rig = new BackendRig(factory);
    await using backend = rig.create();
    backend.attach(new CountedRows(1000));
    const handle = await rig.snapshot(backend);
    const low = new CountedRows(0);
    const high = new CountedRows(0);
    await using left = await rig.open([handle], { keyGroups: { start: 0, end: 40 } });
    left.attach(low);
    await using right = await rig.open([handle], { keyGroups: { start: 41, end: 127 } });
    right.attach(high);
    equal(low.loaded.size + high.loaded.size, 1000);
    ok(low.loaded.size > 0 && high.loaded.size > 0);
  });
}

function incrementTests(name: string, factory: StateBackendFactory): void {
  test(`${name}: an increment holds what changed since the last confirmed checkpoint, and no more`, async () => {
    const rig = new BackendRig(factory);
    await using backend = rig.create({ incremental: true });
    fill(backend, 1);
    const full = await rig.snapshot(backend, { confirm: true });
    backend.setCurrentKey("k53");
    backend.state(COUNT).update(9);
    backend.state(CELLS).delete("fixed");
    backend.setCurrentKey("k106");
    backend.state(BOX).clear();
    backend.state(ITEMS).clear();
    backend.state(ITEMS).add(5);
    const lost = await rig.snapshot(backend, { id: 50 });
    backend.abort(50);
    backend.setCurrentKey("k0");
    backend.state(ITEMS).add(77);
    const increment = await rig.snapshot(backend);
    ok(lost !== null && full !== null && increment !== null);
    deepEqual(increment.runs.map((run) => run.level), [1, 0]);
    deepEqual(increment.runs[0]?.file, full.runs[0]?.file);
    equal(increment.runs[1]?.rowCount, 6);
    ok(increment.incrementBytes < full.incrementBytes / 10);
    equal(increment.fullBytes, full.fullBytes + increment.incrementBytes);
    await using restored = await rig.open([increment]);
    deepEqual(read(restored), read(backend));
    equal(restored.entryCount, backend.entryCount);
  });

  test(`${name}: a full snapshot in between stands alone, and nothing builds on it`, async () => {
    const rig = new BackendRig(factory);
    await using backend = rig.create({ incremental: true });
    fill(backend, 1);
    const first = await rig.snapshot(backend, { confirm: true });
    equal(first?.runs[0]?.file.scope, "shared");
    fill(backend, 2);
    const savepoint = await rig.snapshot(backend, { id: 60, full: true });
    deepEqual(savepoint?.runs.map((run) => run.file.scope), ["exclusive"]);
    const increment = await rig.snapshot(backend);
    equal(increment?.runs.length, 2);
    for (const handle of [savepoint, increment]) {
      await using restored = await rig.open([handle]);
      deepEqual(read(restored), read(backend));
    }
  });

  test(`${name}: what comes and goes between two checkpoints leaves no row`, async () => {
    const rig = new BackendRig(factory);
    await using backend = rig.create({ incremental: true });
    fill(backend, 1);
    await rig.snapshot(backend, { confirm: true });
    const count = backend.state(COUNT);
    for (let i = 0; i < 20_000; i++) {
      backend.setCurrentKey(`passing ${i}`);
      count.update(1);
      count.clear();
    }
    const increment = await rig.snapshot(backend);
    equal(increment?.runs.length, 1);
    equal(increment?.incrementBytes, 0);
  });

  test(`${name}: a chain is rebased before it grows long`, async () => {
    const rig = new BackendRig(factory);
    await using backend = rig.create({ incremental: true });
    fill(backend, 1);
    let longest = 0;
    for (let round = 0; round < 25; round++) {
      backend.setCurrentKey(`k${round}`);
      backend.state(COUNT).update(round);
      const handle = await rig.snapshot(backend, { confirm: true });
      longest = Math.max(longest, handle?.runs.length ?? 0);
    }
    ok(longest > 1 && longest <= 16, `longest chain: ${longest}`);
  });

  test(`${name}: without increments every snapshot is exclusive and whole`, async () => {
    const rig = new BackendRig(factory);
    await using backend = rig.create();
    fill(backend, 1);
    for (let i = 0; i < 2; i++) {
      const handle = await rig.snapshot(backend, { confirm: true });
      deepEqual(handle?.runs.map((run) => [run.file.scope, run.level]), [["exclusive", 0]]);
    }
  });
}
