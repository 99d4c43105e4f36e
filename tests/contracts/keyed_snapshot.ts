/** Snapshots of one backend: isolation, cancelling, restoring. */
import { deepEqual, equal, ok, rejects, throws } from "node:assert/strict";
import { test } from "node:test";
import type { StateBackendFactory } from "../../core/backend.ts";
import { listState, mapState, valueState } from "../../core/descriptors.ts";
import { StreamError } from "../../core/errors.ts";
import type { KeyedStateHandle } from "../../core/snapshot.ts";
import { BackendRig, type BackendTraits, filesOf } from "./backend_rig.ts";
import { BOX, CELLS, COUNT, fill, ITEMS, KEYS, read, SUM, TextNumber } from "./snapshot_sample.ts";

/** Items 35, 38-48, 51, 56. */
export function keyedSnapshotSuite(name: string, factory: StateBackendFactory, traits: BackendTraits = {}): void {
  isolationTests(name, factory, traits);
  cancelTests(name, factory, traits);
  restoreTests(name, factory);
}

function isolationTests(name: string, factory: StateBackendFactory, { isLogged = false }: BackendTraits): void {
  test(`${name}: the snapshot of a backend without state is null [38]`, async () => {
    await using rig = new BackendRig(factory);
    await using backend = await rig.open();
    equal(await rig.snapshot(backend), null);
    equal(rig.files.files.size, 0);
  });

  test(`${name}: a snapshot holds the writes before it and none of those between its slices [39] [41]`, async () => {
    await using rig = new BackendRig(factory);
    await using backend = await rig.open();
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
    // The end of a log is written at once.
    if (!isLogged) ok(rounds > (backend.storesBytes ? 0 : 10), "the asynchronous part gave way");
    await using restored = await rig.open([handle]);
    deepEqual(read(restored), before);
    equal(restored.entryCount, KEYS * 5);
  });

  test(`${name}: an object that is changed in place after the snapshot does not reach it [41]`, async () => {
    await using rig = new BackendRig(factory);
    await using backend = await rig.open();
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
    await using rig = new BackendRig(factory);
    await using backend = await rig.open();
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

  // The second one holds the segments of the first.
  const testUnlessLogged = isLogged ? () => {} : test;
  testUnlessLogged(
    `${name}: a second snapshot starts and ends while the first waits for its storage [42] [45]`,
    async () => {
      const gate = Promise.withResolvers<void>();
      await using rig = new BackendRig(factory, { beforeWrite: (file) => file === "run-0" ? gate.promise : undefined });
      await using backend = await rig.open();
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
    },
  );

  test(`${name}: two snapshots whose slices take turns hold their own versions [42]`, async () => {
    await using rig = new BackendRig(factory);
    await using backend = await rig.open();
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

function cancelTests(name: string, factory: StateBackendFactory, { isLogged = false }: BackendTraits): void {
  const stopped = new Error("stopped by the test");

  // A log goes on being written when a checkpoint is cancelled: tests/backends/changelog_test.ts.
  const testUnlessLogged = isLogged ? () => {} : test;
  testUnlessLogged(`${name}: a cancelled snapshot rejects, leaves no file, and the backend goes on [43]`, async () => {
    await using rig = new BackendRig(factory);
    await using backend = await rig.open();
    fill(backend, 1);
    const pending = backend.snapshot({ checkpointId: 1, full: false });
    const writing = pending.write(rig.files);
    let rounds = 0;
    await rejects(
      rig.clock.runUntil(writing, () => {
        if (++rounds === 1) pending.cancel(stopped);
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

  testUnlessLogged(`${name}: cancelling a snapshot that waits for its storage ends it at once [43]`, async () => {
    const never = new Promise<void>(() => {});
    await using rig = new BackendRig(factory, { beforeWrite: () => never });
    await using backend = await rig.open();
    fill(backend, 1);
    const pending = backend.snapshot({ checkpointId: 1, full: false });
    const writing = pending.write(rig.files);
    await rejects(rig.clock.runUntil(writing), /still waits/);
    pending.cancel(stopped);
    await rejects(rig.clock.runUntil(writing), stopped);
    equal(rig.files.openForWrite, 0);
  });

  test(`${name}: closing the backend ends its snapshots; closing again does nothing [44]`, async () => {
    await using rig = new BackendRig(factory);
    const backend = await rig.open();
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
    await using rig = new BackendRig(factory, {
      beforeWrite: () => {
        if (failing) throw new Error("disk full");
      },
    });
    await using backend = await rig.open();
    fill(backend, 1);
    await rejects(rig.snapshot(backend), /disk full/);
    equal(rig.files.openForWrite, 0);
    failing = false;
    await using restored = await rig.open([await rig.snapshot(backend)]);
    deepEqual(read(restored), read(backend));
  });

  test(`${name}: a value that cannot be written fails update() or the snapshot, and names its state [35]`, async () => {
    await using rig = new BackendRig(factory);
    await using backend = await rig.open();
    const state = backend.state(valueState<number>("odd", { serializer: new TextNumber(1) }));
    backend.setCurrentKey("a");
    if (backend.storesBytes || isLogged) throws(() => state.update(13), /odd/);
    else {
      state.update(13);
      await rejects(rig.snapshot(backend), /odd/);
    }
    state.update(14);
    ok(await rig.snapshot(backend) !== null);
  });
}

function restoreTests(name: string, factory: StateBackendFactory): void {
  test(`${name}: state that is restored and never declared is in the next snapshot [47] [89]`, async () => {
    await using rig = new BackendRig(factory);
    await using backend = await rig.open();
    fill(backend, 1);
    const expected = read(backend);
    await using silent = await rig.open([await rig.snapshot(backend)]);
    const again = await rig.snapshot(silent, { between: () => silent.setCurrentKey("other") });
    await using restored = await rig.open([again]);
    deepEqual(read(restored), expected);
  });

  test(`${name}: state that is declared while a snapshot runs is in it once, as it was restored [41] [47]`, async () => {
    await using rig = new BackendRig(factory);
    await using backend = await rig.open();
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
    await using rig = new BackendRig(factory);
    await using backend = await rig.open();
    fill(backend, 1);
    const handle = await rig.snapshot(backend);
    await using restored = await rig.open([handle]);
    rig.files.files.clear();
    equal(rig.files.openForRead, 0);
    deepEqual(read(restored), read(backend));
  });

  test(`${name}: states keep their ids and may be declared in another order [51]`, async () => {
    await using rig = new BackendRig(factory);
    await using backend = await rig.open();
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
    await using rig = new BackendRig(factory);
    await using backend = await rig.open();
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
    await using rig = new BackendRig(factory, { inlineBelowBytes: 1_000_000 });
    await using backend = await rig.open();
    fill(backend, 1);
    const handle = await rig.snapshot(backend);
    equal(filesOf(handle!)[0]?.scope, "inline");
    await using restored = await rig.open([handle]);
    deepEqual(read(restored), read(backend));
  });
}
