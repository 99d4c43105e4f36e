/** What a changelog does besides keeping the contract of state backends: materializations, failures, limits, files. */
import { deepEqual, equal, ok, rejects, throws } from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { changelogFactory } from "../../backends/changelog/changelog_factory.ts";
import { heapBackendFactory } from "../../backends/heap/heap_backend.ts";
import type { KeyedStateHandle } from "../../core/snapshot.ts";
import { MetricRegistry } from "../../runtime/metrics.ts";
import { BackendRig, filesOf } from "../contracts/backend_rig.ts";
import { fill, read } from "../contracts/snapshot_sample.ts";
import { backendContext } from "../support/backend_context.ts";
import { HeapRows } from "../support/heap_rows.ts";
import { BACKENDS, INTERVAL_MS, LoggedRig, nameOf, touch, verify } from "./changelog_rig.ts";

for (const [name, inner] of BACKENDS) {
  test(`changelog over ${name}: recovery from the log alone, and from a materialization and the log [258]`, async () => {
    await using rig = new LoggedRig(inner);
    const backend = await rig.openLogged(inner);
    fill(backend, 1);
    const first = await rig.snapshot(backend, { id: 1, confirm: true });
    deepEqual([first!.runs.length, first!.log!.length], [0, 1]);
    await verify(rig, backend, first);
    const runs: string[][] = [];
    for (let id = 2; id < 6; id++) {
      touch(backend, id);
      await rig.pass(INTERVAL_MS);
      touch(backend, 10 + id);
      const handle = await rig.snapshot(backend, { id, confirm: true });
      ok(
        handle!.runs.length > 0 && handle!.log!.length === 1,
        `${handle!.runs.length} runs, ${handle!.log!.length} segments`,
      );
      runs.push(handle!.runs.map(({ file }) => nameOf(file)));
      await verify(rig, backend, handle);
    }
    equal(new Set(runs.map(String)).size, 4, "each materialization is another one");
    equal(rig.count("completedMaterialization"), 4);
  });

  test(`changelog over ${name}: the log is cut off at a materialization, and not before it is complete [225] [260]`, async () => {
    await using rig = new LoggedRig(inner);
    const backend = await rig.openLogged(inner);
    fill(backend, 1);
    const first = await rig.snapshot(backend, { id: 1, confirm: true });
    const gate = Promise.withResolvers<void>();
    touch(backend, 1);
    rig.beforeCreate = () => gate.promise;
    await rig.pass(INTERVAL_MS);
    const second = await rig.snapshot(backend, { id: 2, confirm: true });
    deepEqual(second!.runs, [], "the materialization is not complete");
    deepEqual(second!.log!.slice(0, 1), first!.log);
    await verify(rig, backend, second);
    gate.resolve();
    await rig.rest();
    rig.beforeCreate = () => {};
    touch(backend, 2);
    const third = await rig.snapshot(backend, { id: 3, confirm: true });
    ok(third!.runs.length > 0);
    const named = new Set(filesOf(third!).map(nameOf));
    ok(first!.log!.every(({ file }) => !named.has(nameOf(file))), "the older log is not named any more");
    ok(filesOf(third!).every((file) => file.scope === "inline" || rig.files.files.has(file.name)));
    await verify(rig, backend, third);
    // What checkpoints name is removed with them, by the job.
    ok(first!.log!.every(({ file }) => !rig.removed.includes(nameOf(file))));
  });

  test(`changelog over ${name}: segments that no checkpoint has named go when they are cut off, and when it is closed`, async () => {
    await using rig = new LoggedRig(inner);
    const backend = await rig.openLogged(inner, { preemptiveBytes: 262_144 });
    for (let round = 0; round < 40; round++) fill(backend, round);
    await rig.rest();
    const before = rig.files.files.size;
    ok(before > 2, `${before} segments are written without a checkpoint`);
    await rig.pass(INTERVAL_MS);
    equal(rig.removed.length, before);
    for (let round = 0; round < 40; round++) fill(backend, round);
    await rig.rest();
    const after = rig.files.files.size;
    await backend.close();
    ok(rig.files.files.size < after);
  });

  test(`changelog over ${name}: failed materializations are tolerated and tried again; too many fail the job [258]`, async () => {
    await using rig = new LoggedRig(inner);
    const backend = await rig.openLogged(inner, { toleratedFailures: 2, preemptiveBytes: 100_000_000 });
    fill(backend, 1);
    const first = await rig.snapshot(backend, { id: 1, confirm: true });
    touch(backend, 1);
    let failing = true;
    rig.beforeCreate = () => {
      if (failing) throw new Error("disk full");
    };
    await rig.pass(INTERVAL_MS);
    equal(rig.count("failedMaterialization"), 1);
    failing = false;
    const second = await rig.snapshot(backend, { id: 2, confirm: true });
    deepEqual(second!.log!.slice(0, 1), first!.log, "it goes on from the log as before");
    await verify(rig, backend, second);
    await rig.rest();
    touch(backend, 2);
    const third = await rig.snapshot(backend, { id: 3, confirm: true });
    ok(third!.runs.length > 0, "it was tried again after the checkpoint");
    await verify(rig, backend, third);
    failing = true;
    for (let round = 0; round < 3; round++) {
      touch(backend, round);
      await rig.pass(INTERVAL_MS);
    }
    equal(rig.count("failedMaterialization"), 4);
    const reason = /it has failed 3 times in a row, at most 2 are tolerated .*: disk full/;
    throws(() => backend.snapshot({ checkpointId: 4, full: false }), reason);
    throws(() => backend.backpressure?.(), reason);
  });

  test(`changelog over ${name}: what an aborted checkpoint has written stays part of the log; what is confirmed is not written again [260]`, async () => {
    await using rig = new LoggedRig(inner);
    const backend = await rig.openLogged(inner);
    const timers = new HeapRows();
    backend.attach(timers);
    fill(backend, 1);
    timers.set(3, 1, true);
    const first = await rig.snapshot(backend, { id: 1, confirm: true });
    touch(backend, 1);
    timers.set(3, 2, true);
    const aborted = await rig.snapshot(backend, { id: 2 });
    backend.abort(2);
    touch(backend, 2);
    timers.set(3, 2, false);
    timers.set(3, 4, true);
    const third = await rig.snapshot(backend, { id: 3, confirm: true });
    const data = (handle: KeyedStateHandle | null) => handle!.log!.filter(({ entryCount }) => entryCount > 3);
    deepEqual(data(third).slice(0, data(aborted).length), data(aborted));
    ok(third!.incrementBytes < first!.incrementBytes / 4);
    await using restored = await rig.open([third], { factory: changelogFactory(heapBackendFactory) });
    const again = new HeapRows();
    restored.attach(again);
    deepEqual(again.numbers(3), [1, 4]);
    deepEqual(read(restored), read(backend));
  });
}

test("a failed upload is tried again after a while, and its file is removed [260]", async () => {
  await using rig = new LoggedRig(heapBackendFactory);
  const backend = await rig.openLogged(heapBackendFactory, { intervalMs: null, maxAttempts: 3, retryDelayMs: 500 });
  fill(backend, 1);
  let left = 2;
  rig.beforeCreate = () => {
    if (left-- > 0) throw new Error("disk full");
  };
  const writing = backend.snapshot({ checkpointId: 1, full: false }).write(rig.files);
  await rig.pass(499);
  equal(rig.count("numberOfUploadFailures"), 1);
  await rig.pass(501);
  await verify(rig, backend, await writing);
  deepEqual([rig.count("numberOfUploadRequests"), rig.count("numberOfUploadFailures")], [1, 2]);
  equal(rig.registry.operator("op", "op", 0).histogram("attemptsPerUpload").quantile(1), 3);
});

test("an upload that fails for good fails the checkpoint; the next one writes the changes [260]", async () => {
  await using rig = new LoggedRig(heapBackendFactory);
  const backend = await rig.openLogged(heapBackendFactory, { intervalMs: null, maxAttempts: 2, retryDelayMs: 10 });
  fill(backend, 1);
  let failing = true;
  rig.beforeCreate = () => {
    if (failing) throw new Error("disk full");
  };
  const writing = backend.snapshot({ checkpointId: 1, full: false }).write(rig.files);
  const failed = rejects(writing, /disk full/);
  await rig.pass(100);
  await failed;
  backend.abort(1);
  failing = false;
  touch(backend, 1);
  await verify(rig, backend, await rig.snapshot(backend, { id: 2, confirm: true }));
});

test("an upload that takes too long gets another one beside it; the first to end counts, the other is removed [260]", async () => {
  await using rig = new LoggedRig(heapBackendFactory);
  const backend = await rig.openLogged(heapBackendFactory, { intervalMs: null, timeoutMs: 1000 });
  fill(backend, 1);
  const slow = Promise.withResolvers<void>();
  let attempts = 0;
  rig.beforeCreate = () => ++attempts === 1 ? slow.promise : undefined;
  const writing = backend.snapshot({ checkpointId: 1, full: false }).write(rig.files);
  await rig.pass(999);
  equal(attempts, 1);
  await rig.pass(1);
  const handle = await writing;
  equal(attempts, 2);
  const [kept] = filesOf(handle!);
  slow.resolve();
  await rig.rest();
  equal(rig.removed.length, 1);
  deepEqual([...rig.files.files.keys()], [nameOf(kept!)]);
  await verify(rig, backend, handle);
});

test("records wait while too much is in flight, and nothing is lost [260]", async () => {
  await using rig = new LoggedRig(heapBackendFactory);
  const settings = { intervalMs: null, preemptiveBytes: 262_144, maxInFlightBytes: 600_000, timeoutMs: 1_000_000 };
  const backend = await rig.openLogged(heapBackendFactory, settings);
  const gate = Promise.withResolvers<void>();
  rig.beforeCreate = () => gate.promise;
  let rounds = 0;
  while (backend.backpressure?.() === undefined) fill(backend, rounds++);
  ok(rounds > 1, "a limit, not a stop");
  let isOver = false;
  backend.backpressure!()!.then(() => isOver = true);
  await rig.rest();
  equal(isOver, false);
  gate.resolve();
  await rig.rest();
  equal(isOver, true);
  equal(backend.backpressure?.(), undefined);
  await verify(rig, backend, await rig.snapshot(backend, { id: 1 }));
});

test("after failures records wait until the changes are written, which is tried again by itself [260]", async () => {
  await using rig = new LoggedRig(heapBackendFactory);
  const settings = {
    intervalMs: null,
    preemptiveBytes: 262_144,
    maxInFlightBytes: 600_000,
    maxAttempts: 1,
    retryDelayMs: 100,
  };
  const backend = await rig.openLogged(heapBackendFactory, settings);
  let failing = true;
  rig.beforeCreate = () => {
    if (failing) throw new Error("disk full");
  };
  while (backend.backpressure?.() === undefined) fill(backend, 1);
  await rig.pass(1000);
  ok(backend.backpressure?.() !== undefined);
  failing = false;
  await rig.pass(1000);
  equal(backend.backpressure?.(), undefined);
  await verify(rig, backend, await rig.snapshot(backend, { id: 1 }));
});

test("a checkpoint that is cancelled ends at once; its segment is written all the same, for the next one", async () => {
  await using rig = new LoggedRig(heapBackendFactory);
  const backend = await rig.openLogged(heapBackendFactory, { intervalMs: null });
  fill(backend, 1);
  const gate = Promise.withResolvers<void>();
  rig.beforeCreate = () => gate.promise;
  const pending = backend.snapshot({ checkpointId: 1, full: false });
  const writing = pending.write(rig.files);
  await rig.rest();
  const stopped = new Error("stopped by the test");
  pending.cancel(stopped);
  await rejects(writing, stopped);
  backend.abort(1);
  gate.resolve();
  const next = await rig.snapshot(backend, { id: 2, confirm: true });
  deepEqual([next!.log!.length, rig.files.files.size], [1, 1]);
  await verify(rig, backend, next);
  backend.snapshot({ checkpointId: 3, full: false }).cancel(stopped);
  touch(backend, 1);
  await verify(rig, backend, await rig.snapshot(backend, { id: 4 }));
});

test("without a place for shared files a checkpoint is the materialization, and small logs are within the metadata", async () => {
  await using rig = new BackendRig(changelogFactory(heapBackendFactory, { intervalMs: INTERVAL_MS, inFiles: false }));
  const { clock, fileSystem } = rig;
  const factory = changelogFactory(heapBackendFactory, { intervalMs: INTERVAL_MS, inFiles: false });
  await using backend = factory.create(backendContext({ clock, fileSystem, incremental: true }));
  await backend.open([], rig.files);
  fill(backend, 1);
  const first = await rig.snapshot(backend, { confirm: true });
  deepEqual([first!.runs.length, first!.log!.map(({ file }) => file.scope)], [0, ["inline"]]);
  clock.advance(INTERVAL_MS);
  touch(backend, 1);
  const second = await rig.snapshot(backend, { confirm: true });
  deepEqual([second!.runs.length, second!.log], [1, undefined]);
  touch(backend, 2);
  const third = await rig.snapshot(backend, { confirm: true });
  deepEqual([third!.runs, third!.log!.length], [second!.runs, 1]);
  await using restored = await rig.open([third]);
  deepEqual(read(restored), read(backend));
});

test("docs/metrics.md lists exactly what a changelog registers", async () => {
  await using rig = new LoggedRig(heapBackendFactory);
  await rig.openLogged(heapBackendFactory);
  const bare = new Set(bareNames());
  const registered = rig.registry.snapshot().filter(({ name }) => !bare.has(name)).map(({ name, type }) =>
    `${name} ${type}`
  );
  const page = readFileSync(new URL("../../docs/metrics.md", import.meta.url), "utf8");
  const section = page.slice(page.indexOf("## operator with a changelog")).split("\n## ")[0]!;
  const listed = [...section.matchAll(/^\| `(\w+)` \| (\w+) \|/gm)].map(([, name, type]) => `${name} ${type}`);
  deepEqual(listed.toSorted(), registered.toSorted());
});

/** What every operator has. */
function bareNames(): string[] {
  const registry = new MetricRegistry("test");
  registry.operator("op", "op", 0);
  return registry.snapshot().map(({ name }) => name);
}
