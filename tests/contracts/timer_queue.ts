/**
 * The conformance suite of core/timer.ts: what every queue of timers promises, with what it promises about snapshots.
 *
 * Called by: the tests of each implementation.
 * Calls: the queue under test, timers/timer_row.ts.
 *
 * @module
 */
import { deepEqual, equal } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ByteWriter } from "../../core/bytes.ts";
import { type Key, type Namespace, VOID_NAMESPACE } from "../../core/key.ts";
import { keyGroupOf, type KeyGroupRange } from "../../core/key_groups.ts";
import type { FrozenRows, RowDraft, RowSource } from "../../core/snapshot.ts";
import type { Timer, TimerQueue } from "../../core/timer.ts";
import { readTimerRow } from "../../timers/timer_row.ts";

/** A queue whose timers travel in snapshots. */
export type SnapshotQueue = TimerQueue & RowSource;

/** What the suite asks an implementation to open. */
export interface QueueRequest {
  readonly maxParallelism: number;
  readonly keyGroups: KeyGroupRange;
  readonly tracking: boolean;
}

/** A timer as text: the identity by which the suite compares. */
export function timerText({ timestampMs, key, namespace }: Timer): string {
  const spell = (value: Namespace): string => {
    if (value === VOID_NAMESPACE) return "-";
    if (typeof value !== "object") return `${typeof value}:${String(value)}`;
    if (value instanceof Uint8Array) return `bytes:${value.join(".")}`;
    return `[${value.map(spell).join(",")}]`;
  };
  return `${timestampMs} ${spell(key)} ${spell(namespace)}`;
}

/** One row of a snapshot, as a backend would keep it. */
export interface TimerRow {
  readonly kind: string;
  readonly keyGroup: number;
  readonly key: Uint8Array;
  readonly valueSize: number;
}

/** All rows that are left in a freeze, which is released. */
export function drain(rows: FrozenRows): TimerRow[] {
  const draft: RowDraft = { kind: "put", keyGroup: -1, key: new ByteWriter(), value: new ByteWriter() };
  const result: TimerRow[] = [];
  while (rows.next(draft)) {
    result.push({
      kind: draft.kind,
      keyGroup: draft.keyGroup,
      key: draft.key.copy(),
      valueSize: draft.value.length,
    });
  }
  rows.release();
  return result;
}

/** Rows as sorted text, deletes with a minus; fails when a row key comes twice. */
export function rowTexts(rows: readonly TimerRow[]): string[] {
  const texts = rows.map((row) => timerText(readTimerRow(row.key)));
  equal(new Set(texts).size, texts.length, "each row key once");
  return texts.map((text, i) => rows[i]!.kind === "put" ? text : `-${text}`).sort();
}

/** The timers of a queue as sorted text. */
export function contents(queue: Iterable<Timer>): string[] {
  return [...queue].map(timerText).sort();
}

function pollAll(queue: TimerQueue): Timer[] {
  const result: Timer[] = [];
  for (let timer = queue.poll(); timer !== null; timer = queue.poll()) result.push(timer);
  return result;
}

const ALL: QueueRequest = { maxParallelism: 128, keyGroups: { start: 0, end: 127 }, tracking: false };

/** What every queue of timers promises. */
export function timerQueueContract(name: string, make: (request: QueueRequest) => TimerQueue): void {
  orderContract(name, () => make(ALL));
  identityContract(name, () => make(ALL));
  modelContract(name, () => make(ALL));
}

function orderContract(name: string, open: () => TimerQueue): void {
  test(`${name} poll() and peek() follow the timestamps, and are null when there is none [66]`, () => {
    const queue = open();
    equal(queue.poll(), null);
    equal(queue.peek(), null);
    equal(queue.headTimestampMs, Infinity);
    for (const timestampMs of [5, 1, 4, 1, 3]) queue.add(timestampMs, `key ${queue.size}`, VOID_NAMESPACE);
    equal(queue.peek()?.timestampMs, 1);
    deepEqual(pollAll(queue).map((timer) => timer.timestampMs), [1, 1, 3, 4, 5]);
    equal(queue.poll(), null);
    equal(queue.size, 0);
  });

  test(`${name} add() says whether the head changed, one equal timer is kept once [67, 68, 76]`, () => {
    const queue = open();
    equal(queue.add(44, "a", VOID_NAMESPACE), true);
    equal(queue.add(1, "b", VOID_NAMESPACE), true);
    equal(queue.add(1, "b", VOID_NAMESPACE), false);
    equal(queue.add(3, "b", VOID_NAMESPACE), false);
    equal(queue.add(42, "a", VOID_NAMESPACE), false);
    equal(queue.size, 4);
    deepEqual(pollAll(queue).map((timer) => [timer.key, timer.timestampMs]), [["b", 1], ["b", 3], ["a", 42], [
      "a",
      44,
    ]]);
  });

  test(`${name} remove() of an absent timer changes nothing, of the head moves it [67, 69]`, () => {
    const queue = open();
    for (const timestampMs of [10, 20, 30]) queue.add(timestampMs, "k", VOID_NAMESPACE);
    equal(queue.remove(15, "k", VOID_NAMESPACE), false);
    equal(queue.remove(10, "other", VOID_NAMESPACE), false);
    equal(queue.remove(10, "k", "namespace"), false);
    equal(queue.size, 3);
    equal(queue.remove(20, "k", VOID_NAMESPACE), false);
    equal(queue.remove(10, "k", VOID_NAMESPACE), true);
    equal(queue.peek()?.timestampMs, 30);
    equal(queue.headTimestampMs, 30);
    equal(queue.remove(30, "k", VOID_NAMESPACE), true);
    equal(queue.headTimestampMs, Infinity);
  });

  test(`${name} iterates each timer once and ends [71]`, () => {
    const queue = open();
    for (let i = 0; i < 50; i++) queue.add(i % 7, `k${i % 10}`, i % 2 === 0 ? VOID_NAMESPACE : i);
    queue.remove(0, "k0", VOID_NAMESPACE);
    const iterator = queue[Symbol.iterator]();
    const seen: string[] = [];
    for (let next = iterator.next(); !next.done; next = iterator.next()) seen.push(timerText(next.value));
    equal(iterator.next().done, true);
    equal(new Set(seen).size, seen.length);
    equal(seen.length, queue.size);
    deepEqual(seen.sort(), pollAll(queue).map(timerText).sort());
  });

  test(`${name} orders negative, zero, fractional, extreme and infinite timestamps [72]`, () => {
    const queue = open();
    const timestamps = [0, -1, 1, Infinity, -Infinity, Number.MAX_VALUE, -Number.MAX_VALUE, 2 ** 53, -(2 ** 53), 0.5];
    for (const timestampMs of timestamps) queue.add(timestampMs, "k", VOID_NAMESPACE);
    equal(queue.add(-0, "k", VOID_NAMESPACE), false, "-0 is 0");
    deepEqual(pollAll(queue).map((timer) => timer.timestampMs), timestamps.toSorted((a, b) => a < b ? -1 : 1));
    equal(queue.add(Infinity, "k", VOID_NAMESPACE), true, "first in an empty queue");
    equal(queue.size, 1);
  });

  test(`${name} ofKeyGroup() has exactly the timers of a key group [73]`, () => {
    const queue = open();
    const expected = new Map<number, string[]>();
    for (let i = 0; i < 200; i++) {
      const timer: Timer = { timestampMs: i % 13, key: i % 3 === 0 ? i : `k${i}`, namespace: VOID_NAMESPACE };
      queue.add(timer.timestampMs, timer.key, timer.namespace);
      const keyGroup = keyGroupOf(timer.key, ALL.maxParallelism);
      expected.set(keyGroup, [...expected.get(keyGroup) ?? [], timerText(timer)]);
    }
    for (let keyGroup = 0; keyGroup < ALL.maxParallelism; keyGroup++) {
      deepEqual(contents(queue.ofKeyGroup(keyGroup)), (expected.get(keyGroup) ?? []).sort());
    }
  });
}

function identityContract(name: string, open: () => TimerQueue): void {
  test(`${name} tells keys and namespaces of all types apart, and equal ones together [68, 108]`, () => {
    const make =
      (): Key[] => ["1", 1, 1n, true, "true", new Uint8Array([1]), [1], ["1"], [[1]], [], "", [1, "a"], "@1\0\0"];
    const queue = open();
    for (const key of make()) {
      for (const namespace of [VOID_NAMESPACE, ...make()] as Namespace[]) { // A Key is a Namespace.
        queue.add(7, key, namespace);
        queue.add(7, key, namespace);
      }
    }
    const count = make().length * (make().length + 1);
    equal(queue.size, count);
    equal(new Set(contents(queue)).size, count);
    for (const key of make()) {
      for (const namespace of make()) {
        const before = queue.size;
        queue.remove(7, key, namespace);
        equal(queue.size, before - 1);
      }
    }
    equal(queue.size, make().length);
    deepEqual([...queue].map((timer) => timer.namespace), make().map(() => VOID_NAMESPACE));
  });

  test(`${name} keeps a key that its caller changes afterwards as it was [108]`, () => {
    const queue = open();
    const key = new Uint8Array([1]);
    const namespace: [number, Uint8Array] = [1, new Uint8Array([2])];
    queue.add(1, key, namespace);
    key[0] = 9;
    namespace[0] = 9;
    namespace[1][0] = 9;
    equal(queue.add(1, new Uint8Array([1]), [1, new Uint8Array([2])]), false);
    deepEqual(contents(queue), ["1 bytes:1 [number:1,bytes:2]"]);
  });

  test(`${name} holds many timers of one key, at many timestamps and namespaces [68]`, () => {
    const queue = open();
    for (let i = 0; i < 20_000; i++) queue.add(i % 10_000, "k", i < 10_000 ? VOID_NAMESPACE : "n");
    for (let i = 0; i < 20_000; i++) queue.add(i % 10_000, "k", i < 10_000 ? VOID_NAMESPACE : "n");
    equal(queue.size, 20_000);
    for (let i = 0; i < 10_000; i += 2) queue.remove(i, "k", VOID_NAMESPACE);
    equal(queue.size, 15_000);
    for (let i = 1; i < 10_000; i += 2) queue.remove(i, "k", "n");
    deepEqual(pollAll(queue).map((timer) => timer.timestampMs), Array.from({ length: 10_000 }, (_, i) => i));
    equal(queue.add(3, "k", VOID_NAMESPACE), true);
  });
}

/** Few keys and timestamps, so that sequences meet the same timer again. */
const anyKey: fc.Arbitrary<Key> = fc.oneof(
  fc.constantFrom("a", "b", "c"),
  fc.integer({ min: 0, max: 3 }),
  fc.integer({ min: 0, max: 1 }).map((byte) => new Uint8Array([byte])),
  fc.integer({ min: 0, max: 1 }).map((element) => ["a", element]),
);
const anyTimer: fc.Arbitrary<Timer> = fc.record({
  timestampMs: fc.oneof(fc.integer({ min: -15, max: 15 }), fc.constantFrom(Infinity, -Infinity, 0.5, 2 ** 53)),
  key: anyKey,
  namespace: fc.constantFrom<Namespace>(VOID_NAMESPACE, "n", 1),
});
const anyStep = fc.oneof(
  { weight: 4, arbitrary: anyTimer.map((timer) => ({ does: "add" as const, timer })) },
  { weight: 2, arbitrary: anyTimer.map((timer) => ({ does: "remove" as const, timer })) },
  { weight: 1, arbitrary: fc.constant({ does: "poll" as const }) },
);

/** A set of timers that is sorted whenever somebody asks. */
class Model {
  readonly timers = new Map<string, Timer>();

  head(): number {
    return Math.min(Infinity, ...[...this.timers.values()].map((timer) => timer.timestampMs));
  }
}

function modelContract(name: string, open: () => TimerQueue): void {
  test(`${name} agrees with a sorted array over any sequence of adds, removes and polls [70, 74]`, () => {
    fc.assert(
      fc.property(fc.array(anyStep, { maxLength: 400, size: "max" }), (steps) => {
        const queue = open();
        const model = new Model();
        for (const step of steps) {
          const headBefore = model.head();
          const sizeBefore = model.timers.size;
          if (step.does === "poll") {
            const timer = queue.poll();
            equal(timer === null, model.timers.size === 0);
            equal(timer?.timestampMs ?? Infinity, model.head());
            if (timer !== null) equal(model.timers.delete(timerText(timer)), true);
          } else {
            const { timestampMs, key, namespace } = step.timer;
            const text = timerText(step.timer);
            const changed = queue[step.does](timestampMs, key, namespace);
            if (step.does === "add") model.timers.set(text, step.timer);
            else model.timers.delete(text);
            if (model.head() !== headBefore) equal(changed, true);
            if (model.timers.size === sizeBefore) equal(changed, false);
          }
          equal(queue.size, model.timers.size);
          equal(queue.headTimestampMs, model.head());
        }
        deepEqual(contents(queue), [...model.timers.keys()].sort());
      }),
      { numRuns: 60 },
    );
  });
}

const anyLife = fc.array(
  fc.oneof(
    { weight: 8, arbitrary: anyStep },
    { weight: 2, arbitrary: fc.boolean().map((full) => ({ does: "freeze" as const, full })) },
    { weight: 3, arbitrary: fc.nat({ max: 30 }).map((count) => ({ does: "read" as const, count })) },
    { weight: 1, arbitrary: fc.nat({ max: 3 }).map((which) => ({ does: "confirm" as const, which })) },
    { weight: 1, arbitrary: fc.nat({ max: 3 }).map((which) => ({ does: "abort" as const, which })) },
  ),
  { maxLength: 300, size: "max" },
);

/** A freeze of the model: what its rows must be. */
interface ExpectedFreeze {
  readonly checkpointId: number;
  readonly timers: ReadonlySet<string>;
  readonly base: ReadonlySet<string>;
  readonly full: boolean;
  readonly frozen: FrozenRows;
  readonly rows: TimerRow[];
  done: boolean;
}

function checkFreeze(freeze: ExpectedFreeze): void {
  const base = freeze.full ? new Set<string>() : freeze.base;
  const puts = [...freeze.timers].filter((text) => !base.has(text));
  const deletes = [...base].filter((text) => !freeze.timers.has(text)).map((text) => `-${text}`);
  deepEqual(rowTexts(freeze.rows), [...puts, ...deletes].sort());
}

function readRows(freeze: ExpectedFreeze, count: number): void {
  const draft: RowDraft = { kind: "put", keyGroup: -1, key: new ByteWriter(), value: new ByteWriter() };
  for (let i = 0; i < count && !freeze.done; i++) {
    if (freeze.frozen.next(draft)) {
      freeze.rows.push({ kind: draft.kind, keyGroup: draft.keyGroup, key: draft.key.copy(), valueSize: 0 });
    } else {
      freeze.frozen.release();
      freeze.done = true;
    }
  }
}

/** What every queue whose timers travel in snapshots promises, beside {@link timerQueueContract}. */
export function snapshotQueueContract(name: string, make: (request: QueueRequest) => SnapshotQueue): void {
  snapshotExamples(name, make);

  for (const tracking of [true, false]) {
    test(`${name} freezes hold the moment they were taken, tracking ${tracking}, whatever comes after [53]`, () => {
      fc.assert(
        fc.property(anyLife, (steps) => {
          const queue = make({ ...ALL, tracking });
          const model = new Model();
          const freezes: ExpectedFreeze[] = [];
          let pending: ExpectedFreeze[] = [];
          let base: ReadonlySet<string> = new Set();
          let checkpointId = 0;
          for (const step of steps) {
            if (step.does === "add" || step.does === "remove") {
              queue[step.does](step.timer.timestampMs, step.timer.key, step.timer.namespace);
              if (step.does === "add") model.timers.set(timerText(step.timer), step.timer);
              else model.timers.delete(timerText(step.timer));
            } else if (step.does === "poll") {
              const timer = queue.poll();
              if (timer !== null) equal(model.timers.delete(timerText(timer)), true);
            } else if (step.does === "freeze") {
              if (pending.length === 4) queue.abort(pending.shift()!.checkpointId);
              const full = step.full || !tracking;
              const timers = new Set(model.timers.keys());
              const frozen = queue.freeze(++checkpointId, full);
              const freeze = { checkpointId, timers, base, full, frozen, rows: [], done: false };
              freezes.push(freeze);
              pending.push(freeze);
            } else if (step.does === "read") {
              const unread = freezes.filter((freeze) => !freeze.done);
              if (unread.length > 0) readRows(unread[step.count % unread.length]!, step.count);
              if (unread.length > 4) readRows(unread[0]!, Infinity);
            } else {
              const freeze = pending[step.which];
              if (freeze === undefined) continue;
              queue[step.does](freeze.checkpointId);
              if (step.does === "confirm") {
                base = freeze.timers;
                pending = pending.filter((other) => other.checkpointId > freeze.checkpointId);
              } else {
                pending = pending.filter((other) => other !== freeze);
              }
            }
          }
          for (const freeze of freezes) {
            readRows(freeze, Infinity);
            checkFreeze(freeze);
          }
          deepEqual(contents(queue), [...model.timers.keys()].sort());
        }),
        { numRuns: 60 },
      );
    });
  }
}

function snapshotExamples(name: string, make: (request: QueueRequest) => SnapshotQueue): void {
  test(`${name} rows restore the same timers, split by key-group range [53, 122, 123, 124]`, () => {
    const queue = make(ALL);
    for (let i = 0; i < 300; i++) queue.add(i % 17 - 8, i % 2 === 0 ? `k${i}` : [i], i % 3 === 0 ? VOID_NAMESPACE : i);
    queue.add(Infinity, "end", VOID_NAMESPACE);
    queue.add(-Infinity, "start", VOID_NAMESPACE);
    const before = contents(queue);
    const rows = drain(queue.freeze(1, true));
    equal(rows.every((row) => row.valueSize === 0 && row.kind === "put"), true);
    const halves = [{ start: 0, end: 63 }, { start: 64, end: 127 }].map((keyGroups) => {
      const half = make({ ...ALL, keyGroups });
      for (const row of rows) {
        equal(row.keyGroup, keyGroupOf(readTimerRow(row.key).key, ALL.maxParallelism));
        if (row.keyGroup >= keyGroups.start && row.keyGroup <= keyGroups.end) {
          half.load(row.keyGroup, row.key, new Uint8Array());
        }
      }
      return half;
    });
    deepEqual(halves.flatMap((half) => contents(half)).sort(), before);
    for (const half of halves) {
      const order = pollAll(half).map((timer) => timer.timestampMs);
      deepEqual(order, order.toSorted((a, b) => a < b ? -1 : a > b ? 1 : 0));
    }
  });

  test(`${name} increments after a restore build on what was restored [53]`, () => {
    const source = make(ALL);
    for (const timestampMs of [1, 2, 3]) source.add(timestampMs, "k", VOID_NAMESPACE);
    const queue = make({ ...ALL, tracking: true });
    for (const row of drain(source.freeze(1, true))) queue.load(row.keyGroup, row.key, new Uint8Array());
    queue.poll();
    queue.add(4, "k", VOID_NAMESPACE);
    deepEqual(rowTexts(drain(queue.freeze(2, false))), ["-1 string:k -", "4 string:k -"]);
    deepEqual(rowTexts(drain(queue.freeze(3, true))), ["2 string:k -", "3 string:k -", "4 string:k -"]);
  });

  test(`${name} an aborted increment comes again, a confirmed one does not, nothing is left of what came and went [53]`, () => {
    const queue = make({ ...ALL, tracking: true });
    queue.add(1, "k", VOID_NAMESPACE);
    drain(queue.freeze(1, false));
    queue.confirm(1);
    queue.poll();
    queue.add(2, "k", VOID_NAMESPACE);
    queue.add(3, "k", VOID_NAMESPACE);
    queue.remove(3, "k", VOID_NAMESPACE);
    deepEqual(rowTexts(drain(queue.freeze(2, false))), ["-1 string:k -", "2 string:k -"]);
    queue.abort(2);
    deepEqual(rowTexts(drain(queue.freeze(3, false))), ["-1 string:k -", "2 string:k -"]);
    queue.confirm(3);
    deepEqual(rowTexts(drain(queue.freeze(4, false))), []);
  });
}
