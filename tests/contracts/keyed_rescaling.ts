/** Keyed state that moves between backends of other key groups. */
import { deepEqual, equal, throws } from "node:assert/strict";
import { test } from "node:test";
import type { StateBackend, StateBackendFactory } from "../../core/backend.ts";
import { listState, valueState } from "../../core/descriptors.ts";
import { intersect, keyGroupOf, keyGroupRangeOf } from "../../core/key_groups.ts";
import type { FileRef, KeyedStateHandle, SnapshotInput, SnapshotReader } from "../../core/snapshot.ts";
import { BackendRig, type BackendTraits, MAX_PARALLELISM } from "./backend_rig.ts";

const COUNT = valueState<number>("count", { default: 0 });
const ITEMS = listState<string>("items");
const KEYS = 500;

/** Backends that together own all key groups. */
async function team(
  rig: BackendRig,
  parallelism: number,
  handles: readonly (KeyedStateHandle | null)[],
  maxParallelism = MAX_PARALLELISM,
  incremental = false,
): Promise<StateBackend[]> {
  const backends: StateBackend[] = [];
  for (let i = 0; i < parallelism; i++) {
    const keyGroups = keyGroupRangeOf(i, { parallelism, maxParallelism });
    backends.push(await rig.open(handles, { keyGroups, maxParallelism, incremental }));
  }
  return backends;
}

function ownerOf(key: string, parallelism: number, maxParallelism: number): number {
  const group = keyGroupOf(key, maxParallelism);
  for (let i = 0; i < parallelism; i++) {
    const range = keyGroupRangeOf(i, { parallelism, maxParallelism });
    if (intersect(range, { start: group, end: group }) !== undefined) return i;
  }
  throw new Error(`nobody owns key group ${group}`);
}

function write(backends: readonly StateBackend[], round: number, maxParallelism = MAX_PARALLELISM): void {
  for (let i = 0; i < KEYS; i++) {
    const key = `k${i}`;
    const backend = backends[ownerOf(key, backends.length, maxParallelism)]!;
    backend.setCurrentKey(key);
    backend.state(COUNT).update(round * 1000 + i);
    backend.state(ITEMS).add(`${round}`);
  }
}

function verify(backends: readonly StateBackend[], round: number, items: string[], maxParallelism: number): void {
  let total = 0;
  backends.forEach((backend, index) => {
    for (const key of backend.keys(COUNT)) {
      total++;
      equal(ownerOf(String(key), backends.length, maxParallelism), index);
      backend.setCurrentKey(key);
      equal(backend.state(COUNT).value(), round * 1000 + Number(String(key).slice(1)));
      deepEqual(backend.state(ITEMS).get(), items);
    }
  });
  equal(total, KEYS);
}

/** Items 57-63, 65. */
export function rescalingSuite(
  name: string,
  factory: StateBackendFactory,
  checking: StateBackendFactory,
  { isLogged = false }: BackendTraits = {},
): void {
  test(`${name}: with the debug check a key of other key groups is refused [57]`, async () => {
    await using rig = new BackendRig(checking);
    const [left, right] = await team(rig, 2, []);
    const owner = ownerOf("k1", 2, MAX_PARALLELISM);
    const [own, other] = owner === 0 ? [left!, right!] : [right!, left!];
    own.setCurrentKey("k1");
    throws(() => other.setCurrentKey("k1"), /its key group is/);
  });

  const moves: readonly [from: number, to: number, maxParallelism: number, items: string][] = [
    [4, 2, 128, "[58]"],
    [2, 4, 128, "[59]"],
    [3, 3, 128, "[60]"],
    [3, 4, 10, "[61]"],
    [4, 3, 10, "[61]"],
    [3, 2, 10, "[61]"],
  ];
  for (const [from, to, max, items] of moves) {
    for (const incremental of [false, true]) {
      const how = incremental ? "increments" : "full snapshots";
      test(`${name}: ${how} of ${from} backends restore in ${to}, of ${max} key groups ${items} [63]`, async () => {
        await using rig = new BackendRig(factory);
        const before = await team(rig, from, [], max, incremental);
        for (const round of [1, 2]) {
          write(before, round, max);
          for (const backend of before) await rig.snapshot(backend, { id: round, confirm: true });
        }
        write(before, 3, max);
        const handles = [];
        for (const backend of before) handles.push(await rig.snapshot(backend, { id: 3, confirm: true }));
        const after = await team(rig, to, handles, max, incremental);
        verify(after, 3, ["1", "2", "3"], max);
        write(after, 4, max);
        const later = [];
        for (const backend of after) later.push(await rig.snapshot(backend, { id: 4, confirm: true }));
        verify(await team(rig, 1, later, max), 4, ["1", "2", "3", "4"], max);
      });
    }
  }

  test(`${name}: an older run does not bring back what its former owner has overwritten [58]`, async () => {
    await using rig = new BackendRig(factory);
    const one = await team(rig, 1, [], 128, true);
    write(one, 1);
    const base = await rig.snapshot(one[0]!, { id: 1, confirm: true });
    const two = await team(rig, 2, [base], 128, true);
    for (let i = 0; i < KEYS; i++) {
      const backend = two[ownerOf(`k${i}`, 2, 128)]!;
      backend.setCurrentKey(`k${i}`);
      backend.state(COUNT).clear();
      backend.state(ITEMS).clear();
    }
    const handles = [];
    for (const backend of two) handles.push(await rig.snapshot(backend, { id: 2 }));
    const [restored] = await team(rig, 1, handles, 128, true);
    equal([...restored!.keys(COUNT)].length, 0);
    equal([...restored!.keys(ITEMS)].length, 0);
  });

  test(`${name}: backends with different states are joined to the union of them [62]`, async () => {
    await using rig = new BackendRig(factory);
    const before = await team(rig, 2, []);
    const names = ["left", "right"];
    before.forEach((backend, index) => {
      const state = backend.state(valueState<number>(names[index]!));
      for (let i = 0; i < KEYS; i++) {
        if (ownerOf(`k${i}`, 2, 128) !== index) continue;
        backend.setCurrentKey(`k${i}`);
        state.update(i);
      }
    });
    const handles = [];
    for (const backend of before) handles.push(await rig.snapshot(backend, { id: 1 }));
    const [joined] = await team(rig, 1, handles);
    for (let i = 0; i < KEYS; i++) {
      joined!.setCurrentKey(`k${i}`);
      const owner = ownerOf(`k${i}`, 2, 128);
      equal(joined!.state(valueState<number>(names[owner]!)).value(), i);
      equal(joined!.state(valueState<number>(names[1 - owner]!)).value(), null);
    }
  });

  // A log is read from its beginning to its end; what it builds on is not.
  if (isLogged) return;

  test(`${name}: a key group is restored without reading the blocks of the others [64] [65]`, async () => {
    await using rig = new BackendRig(factory);
    const [whole] = await team(rig, 1, []);
    const text = listState<string>("text");
    for (let i = 0; i < 2000; i++) {
      whole!.setCurrentKey(`k${i}`);
      whole!.state(text).add("x".repeat(200));
    }
    const handle = await rig.snapshot(whole!);
    const counting = new CountingReader(rig);
    const single = rig.create({ keyGroups: { start: 64, end: 64 } });
    await single.open([handle!], counting);
    const keys = [...single.keys(text)];
    deepEqual(
      keys.map(String).sort(),
      [...whole!.keys(text)].map(String).filter((key) => keyGroupOf(key, 128) === 64).sort(),
    );
    equal(counting.bytesRead < handle!.fullBytes / 5, true);
    const skipped = new CountingReader(rig);
    const elsewhere = { ...handle!, keyGroups: { start: 0, end: 3 } };
    await rig.create({ keyGroups: { start: 64, end: 64 } }).open([elsewhere], skipped);
    equal(skipped.bytesRead, 0);
  });
}

class CountingReader implements SnapshotReader {
  bytesRead = 0;
  constructor(private readonly rig: BackendRig) {}

  /** Counts nothing, as a hard link would not. */
  async fetch(file: FileRef, path: string): Promise<void> {
    const input = await this.rig.files.open(file);
    const target = this.rig.fileSystem.createSync(path, "exclusive");
    target.writeSync(input.read(0, input.sizeBytes));
    target.closeSync();
    input.close();
  }

  async open(file: FileRef): Promise<SnapshotInput> {
    const input = await this.rig.files.open(file);
    return {
      path: input.path,
      sizeBytes: input.sizeBytes,
      read: (offset, length) => {
        this.bytesRead += length;
        return input.read(offset, length);
      },
      close: () => input.close(),
    };
  }
}
