/** Canonical snapshots: one run whose bytes follow from the state alone, whichever backend writes it. */
import { deepEqual, equal, notEqual, rejects, throws } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { StateBackend } from "../../core/backend.ts";
import { listState, mapState, reducingState, valueState } from "../../core/descriptors.ts";
import { StreamError } from "../../core/errors.ts";
import { type Key, VOID_NAMESPACE } from "../../core/key.ts";
import { keyGroupOf, type KeyGroupRange, keyGroupRangeOf, operatorIndexOf } from "../../core/key_groups.ts";
import { f64 } from "../../core/serializer.ts";
import type { KeyedStateHandle } from "../../core/snapshot.ts";
import type { BackendVariant } from "../support/backend_variants.ts";
import { CanonicalModel, type ModelState, nameOf } from "../support/canonical_model.ts";
import { scaled } from "../support/scale.ts";
import { TIMERS, type Timers, timersOf } from "../support/stored_timers.ts";
import { BackendRig } from "./backend_rig.ts";
import { TextNumber } from "./snapshot_sample.ts";

// Their names are in another order than the states are first used in, and timers are in the middle.
const VALUE = valueState<unknown>("value");
const PLAIN = valueState<number>("Plain", { serializer: f64 });
const LIST = listState<unknown>("list");
const MAP = mapState<Key, unknown>("a-map");
const SUM = reducingState<number>("é-sum", (left, right) => left + right);
const STATES: readonly ModelState[] = [
  { name: "value", kind: "value" },
  // Whatever it is asked to write is a number.
  { name: "Plain", kind: "value", serializer: f64 as ModelState["serializer"] & object },
  { name: "list", kind: "list" },
  { name: "a-map", kind: "map" },
  { name: "é-sum", kind: "reducing" },
  { name: TIMERS, kind: "rows" },
];
const KEYS: readonly Key[] = ["a", "b", "", "\ud800", 1, -7.5, 10n, -(2n ** 70n), true, Uint8Array.of(0, 255), [1, [
  "x",
]]];
const NAMESPACES = [VOID_NAMESPACE, "w", 5, [1]] as const;
const VALUES: readonly unknown[] = [0, 1.5, "text", "", { n: 1, list: [1, "x", null] }, [true], -(5n ** 40n), 2 ** 40];
const MAX = 8;

/** One write: which key, which namespace, what, with which number. */
interface Write {
  readonly key: number;
  readonly namespace: number;
  readonly what: (typeof WRITES)[number];
  readonly number: number;
}

const WRITES = [
  "update",
  "clear",
  "plain",
  "clearPlain",
  "add",
  "add",
  "addAll",
  "replace",
  "clearList",
  "mergeLists",
  "set",
  "set",
  "delete",
  "clearMap",
  "sum",
  "clearSum",
  "timer",
  "timer",
  "dropTimer",
] as const;

type Step =
  | { readonly step: "write"; readonly writes: readonly Write[] }
  | { readonly step: "checkpoint"; readonly isConfirmed: boolean }
  | { readonly step: "savepoint"; readonly during: readonly Write[] }
  | { readonly step: "move"; readonly variant: number; readonly parallelism: number };

/** A subtask. */
interface Member {
  readonly backend: StateBackend;
  readonly timers: Timers;
  readonly range: KeyGroupRange;
  /** The states that its snapshots list. */
  readonly known: Set<string>;
}

/** A backend in several subtasks, and what it must hold. */
class Histories {
  readonly model = new CanonicalModel(STATES, MAX);
  members: Member[] = [];
  private checkpointId = 0;

  constructor(private readonly rig: BackendRig) {}

  /** Goes on in other subtasks. @param known What each of the handles lists. */
  async open(
    variant: BackendVariant,
    parallelism: number,
    handles: readonly (KeyedStateHandle | null)[],
    known: readonly ReadonlySet<string>[],
  ): Promise<void> {
    for (const { backend } of this.members) await backend.close();
    this.members = [];
    for (let i = 0; i < parallelism; i++) {
      const range = keyGroupRangeOf(i, { parallelism, maxParallelism: MAX });
      const options = { keyGroups: range, maxParallelism: MAX, incremental: true, factory: variant.factory };
      const backend = await this.rig.open(handles, options);
      const names = handles.flatMap((handle, at) => {
        const isHere = handle !== null && handle.keyGroups.start <= range.end && handle.keyGroups.end >= range.start;
        return isHere ? [...known[at]!] : [];
      });
      this.members.push({ backend, timers: timersOf(backend, variant), range, known: new Set([...names, TIMERS]) });
    }
  }

  write(write: Write): void {
    const key = KEYS[write.key]!;
    const group = keyGroupOf(key, MAX);
    const member = this.members[operatorIndexOf(group, { parallelism: this.members.length, maxParallelism: MAX })]!;
    member.backend.setCurrentKey(key);
    if (write.what === "timer" || write.what === "dropTimer") {
      member.timers.set(group, write.number, write.what === "timer");
      this.model.setTimer(group, write.number, write.what === "timer");
    } else {
      applyState(write, key, member, this.model);
    }
  }

  /** Takes a snapshot of every subtask. */
  async snapshot(canonical: boolean, during: readonly Write[] = []): Promise<(KeyedStateHandle | null)[]> {
    const { rig } = this;
    const checkpointId = ++this.checkpointId;
    const request = canonical ? { checkpointId, full: true, canonical } : { checkpointId, full: false };
    const writing = this.members.map(({ backend }) => backend.snapshot(request).write(rig.files));
    let next = 0;
    return await rig.clock.runUntil(Promise.all(writing), () => {
      const write = during[next++];
      if (write !== undefined) this.write(write);
    });
  }

  settle(isConfirmed: boolean): void {
    for (const { backend } of this.members) {
      if (isConfirmed) backend.confirm(this.checkpointId);
      else backend.abort(this.checkpointId);
    }
  }

  /** A canonical snapshot, which is what the model says. */
  async savepoint(during: readonly Write[] = []): Promise<(KeyedStateHandle | null)[]> {
    const expected = [];
    for (const { range, known } of this.members) {
      const bytes = await this.model.bytes(range, known);
      expected.push(bytes === null ? null : { bytes: hex(bytes), nextListNumber: this.model.longestList(range) });
    }
    const handles = await this.snapshot(true, during);
    deepEqual(handles.map((handle) => this.written(handle)), expected);
    return handles;
  }

  private written(handle: KeyedStateHandle | null): unknown {
    if (handle === null) return null;
    const { runs, nextListNumber, incrementBytes, fullBytes } = handle;
    deepEqual(runs.map(({ level, file }) => [level, file.scope]), [[0, "exclusive"]]);
    equal(incrementBytes, runs[0]!.file.sizeBytes);
    equal(fullBytes, incrementBytes);
    return { bytes: hex(bytesOf(this.rig, handle)), nextListNumber };
  }
}

/** The only file of a canonical snapshot. */
export function bytesOf(rig: BackendRig, handle: KeyedStateHandle): Uint8Array {
  const { file } = handle.runs[0]!;
  return file.scope === "inline" ? file.bytes : rig.files.files.get(file.name)!;
}

function hex(bytes: Uint8Array): string {
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function applyState({ namespace: at, what, number }: Write, key: Key, member: Member, model: CanonicalModel): void {
  const namespace = NAMESPACES[at]!;
  const value = VALUES[number % VALUES.length]!;
  const { backend, known } = member;
  switch (what) {
    case "update":
    case "clear": {
      const state = backend.state(VALUE);
      known.add(VALUE.name);
      state.setNamespace(namespace);
      if (what === "update") {
        state.update(value);
        model.obtain(VALUE.name, key, namespace).value = value;
      } else {
        state.clear();
        model.clear(VALUE.name, key, namespace);
      }
      return;
    }
    case "plain":
    case "clearPlain": {
      const state = backend.state(PLAIN);
      known.add(PLAIN.name);
      state.setNamespace(namespace);
      if (what === "plain") {
        state.update(number);
        model.obtain(PLAIN.name, key, namespace).value = number;
      } else {
        state.clear();
        model.clear(PLAIN.name, key, namespace);
      }
      return;
    }
    case "sum":
    case "clearSum": {
      const state = backend.state(SUM);
      known.add(SUM.name);
      state.setNamespace(namespace);
      if (what === "sum") {
        state.add(number);
        const entry = model.obtain(SUM.name, key, namespace);
        entry.value = number + (entry.value as number | undefined ?? 0); // only this line stores there
      } else {
        state.clear();
        model.clear(SUM.name, key, namespace);
      }
      return;
    }
    case "set":
    case "delete":
    case "clearMap":
      return applyMap({ what, number, key: 0, namespace: at }, key, member, model);
    default:
      return applyList({ what, number, key: 0, namespace: at }, key, member, model);
  }
}

function applyMap({ what, number, namespace: at }: Write, key: Key, { backend, known }: Member, model: CanonicalModel) {
  const namespace = NAMESPACES[at]!;
  const state = backend.state(MAP);
  known.add(MAP.name);
  state.setNamespace(namespace);
  const mapKey = KEYS[number % KEYS.length]!;
  const cells = model.obtain(MAP.name, key, namespace).cells ??= new Map();
  if (what === "set") {
    state.set(mapKey, VALUES[number % VALUES.length]!);
    cells.set(nameOf(mapKey), [mapKey, VALUES[number % VALUES.length]!]);
  } else if (what === "delete") {
    state.delete(mapKey);
    cells.delete(nameOf(mapKey));
  } else {
    state.clear();
    cells.clear();
  }
}

function applyList(
  { what, number, namespace: at }: Write,
  key: Key,
  { backend, known }: Member,
  model: CanonicalModel,
) {
  const namespace = NAMESPACES[at]!;
  const value = VALUES[number % VALUES.length]!;
  const state = backend.state(LIST);
  known.add(LIST.name);
  state.setNamespace(namespace);
  const itemsOf = (at: (typeof NAMESPACES)[number]) => model.obtain(LIST.name, key, at).items ??= [];
  const items = itemsOf(namespace);
  switch (what) {
    case "add":
      state.add(value);
      items.push(value);
      return;
    case "addAll":
      state.addAll([value, number]);
      items.push(value, number);
      return;
    case "replace":
      state.update([number]);
      items.splice(0, items.length, number);
      return;
    case "mergeLists": {
      const source = NAMESPACES[number % NAMESPACES.length]!;
      state.mergeNamespaces(namespace, [source]);
      if (source !== namespace) items.push(...itemsOf(source).splice(0));
      return;
    }
    default:
      state.clear();
      items.length = 0;
  }
}

const write: fc.Arbitrary<Write> = fc.record({
  key: fc.nat({ max: KEYS.length - 1 }),
  namespace: fc.nat({ max: NAMESPACES.length - 1 }),
  what: fc.constantFrom(...WRITES),
  number: fc.nat({ max: 40 }),
});
const writes = (maxLength: number) => fc.array(write, { maxLength, size: "max" });
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: fc.record({ step: fc.constant("write" as const), writes: writes(40) }) },
  { weight: 2, arbitrary: fc.record({ step: fc.constant("checkpoint" as const), isConfirmed: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ step: fc.constant("savepoint" as const), during: writes(8) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      step: fc.constant("move" as const),
      variant: fc.nat({ max: 99 }),
      parallelism: fc.constantFrom(1, 2, 3),
    }),
  },
);

/** Begins in `variant`; each move goes on in another one. */
async function play(variant: BackendVariant, all: readonly BackendVariant[], steps: readonly Step[]): Promise<void> {
  await using rig = new BackendRig(variant.factory);
  const histories = new Histories(rig);
  await histories.open(variant, 2, [], []);
  for (const each of steps) {
    if (each.step === "write") {
      for (const one of each.writes) histories.write(one);
    } else if (each.step === "checkpoint") {
      await histories.snapshot(false);
      histories.settle(each.isConfirmed);
    } else if (each.step === "savepoint") {
      await histories.savepoint(each.during);
      // Nothing may depend on which of the two comes, if any.
      histories.settle(each.during.length % 2 === 0);
    } else {
      const known = histories.members.map((member) => new Set(member.known));
      const handles = await histories.savepoint();
      await histories.open(all[each.variant % all.length]!, each.parallelism, handles, known);
      await histories.savepoint();
    }
  }
  await histories.savepoint();
}

/** Items 39, 59, 60, 89, 130, 261. @param all The backends that take turns with `variant`. */
export function canonicalSnapshotSuite(variant: BackendVariant, all: readonly BackendVariant[]): void {
  const { name } = variant;

  test(
    `${name}: canonical snapshots are what the state says, whatever came before and whoever wrote it [261] [89] [59]`,
    { timeout: 120_000 },
    async () => {
      const property = fc.asyncProperty(
        fc.array(step, { minLength: 1, maxLength: 20, size: "max" }),
        (steps) => play(variant, all, steps),
      );
      await fc.assert(property, { numRuns: scaled(40, 400) });
    },
  );

  test(`${name}: the canonical snapshot of a backend without state is null, also with states declared [38]`, async () => {
    await using rig = new BackendRig(variant.factory);
    await using backend = await rig.open();
    equal(await rig.snapshot(backend, { canonical: true }), null);
    throws(() => backend.snapshot({ checkpointId: 9, full: false, canonical: true }), TypeError);
    backend.setCurrentKey("a");
    backend.state(LIST).add(1);
    backend.state(LIST).clear();
    equal(await rig.snapshot(backend, { canonical: true }), null);
    equal(rig.files.files.size, 0);
  });

  test(`${name}: equal state gives equal bytes in another order of writing and declaring [261]`, async () => {
    await using rig = new BackendRig(variant.factory);
    const images = [];
    for (const isReversed of [false, true]) {
      await using backend = await rig.open();
      const order = [...Array(300).keys()];
      if (isReversed) order.reverse();
      for (const i of order) {
        backend.setCurrentKey(`k${i}`);
        const states = [
          () => backend.state(VALUE).update(i),
          () => backend.state(LIST).addAll([i, "x"]),
          () => backend.state(MAP).set("x", i).set("y", i),
        ];
        for (const write of isReversed ? states.reverse() : states) write();
      }
      const handle = await rig.snapshot(backend, { canonical: true });
      images.push(hex(bytesOf(rig, handle!)));
    }
    equal(images[0], images[1]);
    notEqual(images[0], "");
  });

  test(`${name}: large key groups go state by state, as small ones and those of timers alone do [261] [130]`, async () => {
    await using rig = new BackendRig(variant.factory);
    const images = [];
    for (const each of [variant, all[0]!]) {
      await using backend = await rig.open([], { maxParallelism: 4, keyGroups: LARGE, factory: each.factory });
      fillUnevenly(backend, timersOf(backend, each));
      const handle = await rig.snapshot(backend, { canonical: true });
      equal(handle!.nextListNumber, 40);
      images.push(hex(bytesOf(rig, handle!)));
    }
    equal(images[0] === images[1], true);
  });

  test(`${name}: undeclared state that came in two formats keeps both, under one order of ids [89] [261]`, async () => {
    await using rig = new BackendRig(variant.factory);
    const images: string[] = [];
    for (const each of [variant, all[0]!]) {
      const handles: (KeyedStateHandle | null)[] = [];
      for (const version of [2, 1]) {
        const keyGroups = keyGroupRangeOf(version - 1, { parallelism: 2, maxParallelism: 4 });
        await using backend = await rig.open([], { maxParallelism: 4, keyGroups, factory: each.factory });
        const state = backend.state(valueState<number>("number", { serializer: new TextNumber(version) }));
        const other = backend.state(valueState<number>("other", { serializer: new TextNumber(version) }));
        for (let i = 20; i < 40; i++) {
          const group = keyGroupOf(`k${i}`, 4);
          if (group < keyGroups.start || group > keyGroups.end) continue;
          backend.setCurrentKey(`k${i}`);
          state.update(i);
          if (version === 2) other.update(i);
        }
        handles.push(await rig.snapshot(backend, { canonical: true }));
      }
      await using joined = await rig.open(handles, { maxParallelism: 4, keyGroups: WHOLE, factory: each.factory });
      const handle = await rig.snapshot(joined, { canonical: true });
      images.push(hex(bytesOf(rig, handle!)));
      await using declared = await rig.open([handle], { maxParallelism: 4, keyGroups: WHOLE, factory: each.factory });
      const state = declared.state(valueState<number>("number", { serializer: new TextNumber(3) }));
      for (let i = 20; i < 40; i++) {
        declared.setCurrentKey(`k${i}`);
        equal(state.value(), i);
      }
    }
    equal(images[0], images[1]);
  });

  test(`${name}: a canonical snapshot that is cancelled or fails leaves no file, and the backend goes on [43]`, async () => {
    let failing = true;
    await using rig = new BackendRig(variant.factory, {
      beforeWrite: () => {
        if (failing) throw new Error("disk full");
      },
    });
    await using backend = await rig.open([], { maxParallelism: 4, keyGroups: LARGE, incremental: true });
    fillUnevenly(backend, timersOf(backend, variant));
    await rejects(rig.snapshot(backend, { canonical: true }), /disk full/);
    failing = false;
    const stopped = new Error("stopped by the test");
    for (const afterRounds of [0, 1, 7]) {
      const pending = backend.snapshot({ checkpointId: 50 + afterRounds, full: true, canonical: true });
      if (afterRounds === 0) pending.cancel(stopped);
      let rounds = 0;
      const writing = rig.clock.runUntil(pending.write(rig.files), () => {
        if (++rounds === afterRounds) pending.cancel(stopped);
      });
      await rejects(writing, afterRounds === 0 ? StreamError : stopped);
    }
    deepEqual([rig.files.openForWrite, rig.files.files.size], [0, 0]);
    await using restored = await rig.open([await rig.snapshot(backend, { canonical: true })], {
      maxParallelism: 4,
      keyGroups: LARGE,
    });
    equal(restored.entryCount, 0, "nothing is declared");
    equal([...restored.keys(VALUE)].length, [...backend.keys(VALUE)].length);
  });
}

const WHOLE: KeyGroupRange = { start: 0, end: 3 };
const LARGE: KeyGroupRange = { start: 1, end: 3 };

/** One key group with much of everything, one with little, one with timers alone; fewer still in the next ones. */
function fillUnevenly(backend: StateBackend, timers: Timers): void {
  for (let i = 0; i < 6000; i++) {
    const key = `k${i}`;
    const group = keyGroupOf(key, 4);
    if (group !== 2 && (group !== 1 || i > 300)) continue;
    backend.setCurrentKey(key);
    backend.state(VALUE).update(`${i}`.repeat(20));
    if (i % 3 === 0) backend.state(LIST).addAll(Array.from({ length: i % 41 }, (_, at) => `${at}`.repeat(8)));
    if (i % 5 === 0) backend.state(MAP).set(i, i).set("x", "y".repeat(50));
    backend.state(PLAIN).update(i);
    timers.set(group, i, true);
  }
  for (let i = 0; i < 50; i++) timers.set(3, i, true);
}
