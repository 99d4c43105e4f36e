/**
 * Random histories of a job's keyed state, compared with plain Maps: writes of all kinds, timers, walks over keys,
 * background work, checkpoints that are confirmed or aborted, crashes, and restores into any backend at any parallelism.
 */
import { deepEqual, equal } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { StateBackend } from "../../core/backend.ts";
import { pause } from "../../core/clock.ts";
import { listState, mapState, reducingState, valueState } from "../../core/descriptors.ts";
import { VOID_NAMESPACE } from "../../core/key.ts";
import { keyGroupOf, keyGroupRangeOf, operatorIndexOf } from "../../core/key_groups.ts";
import type { KeyedStateHandle } from "../../core/snapshot.ts";
import type { TimerQueue } from "../../core/timer.ts";
import { EmbeddedTimerQueue } from "../../timers/embedded_timer_queue.ts";
import { HeapTimerQueue } from "../../timers/heap_timer_queue.ts";
import { BackendRig } from "../contracts/backend_rig.ts";
import { type BackendVariant, backendVariants } from "../support/backend_variants.ts";
import { scaled } from "../support/scale.ts";

const GROUPS = 16;
const KEYS = 12;
const TEXT = valueState<string>("text");
const ITEMS = listState<number>("items");
const CELLS = mapState<string, number>("cells");
const LARGEST = reducingState<number>("largest", Math.max);

/** So little memory that a few writes bring rows to disk. */
const VARIANTS = await backendVariants(65_536);

/** What happens to one key. */
interface Act {
  readonly key: number;
  readonly what:
    | "text"
    | "clear text"
    | "add"
    | "replace"
    | "clear items"
    | "set"
    | "delete"
    | "clear cells"
    | "fold"
    | "clear fold"
    | "register"
    | "unregister";
  readonly number: number;
}

type Step =
  | { readonly step: "acts"; readonly acts: readonly Act[] }
  | { readonly step: "fire"; readonly count: number }
  | { readonly step: "work" }
  | { readonly step: "walk" }
  | { readonly step: "checkpoint"; readonly isConfirmed: boolean; readonly meanwhile: readonly Act[] }
  | { readonly step: "crash"; readonly variant: number; readonly parallelism: number };

/** What the job must hold. */
class Model {
  readonly texts = new Map<number, string>();
  readonly items = new Map<number, number[]>();
  readonly cells = new Map<number, Map<string, number>>();
  readonly folds = new Map<number, number>();
  /** "timestamp key". */
  readonly timers = new Set<string>();

  copy(): Model {
    // A clone is a plain object with the same fields; it gets its methods back.
    return Object.assign(new Model(), structuredClone({ ...this }));
  }
}

/** One subtask. */
interface Member {
  readonly backend: StateBackend;
  readonly timers: TimerQueue;
}

/** The job: subtasks that together own all key groups, and the last checkpoint to go back to. */
class History {
  private members: Member[] = [];
  private model = new Model();
  private saved = { model: new Model(), handles: [] as (KeyedStateHandle | null)[] };
  private nextCheckpoint = 1;

  constructor(private readonly rig: BackendRig) {}

  async open(variant: BackendVariant, parallelism: number): Promise<void> {
    this.members = [];
    for (let i = 0; i < parallelism; i++) {
      const keyGroups = keyGroupRangeOf(i, { parallelism, maxParallelism: GROUPS });
      const options = { keyGroups, maxParallelism: GROUPS, incremental: true, factory: variant.factory };
      const backend = await this.rig.open(this.saved.handles, options);
      this.members.push({ backend, timers: openTimers(variant, backend, keyGroups) });
    }
  }

  private memberOf(key: number): Member {
    const parallelism = this.members.length;
    return this.members[operatorIndexOf(keyGroupOf(key, GROUPS), { parallelism, maxParallelism: GROUPS })]!;
  }

  async take(step: Step): Promise<void> {
    switch (step.step) {
      case "acts":
        for (const act of step.acts) this.act(act);
        break;
      case "fire":
        for (let i = 0; i < step.count; i++) for (const member of this.members) this.fire(member);
        break;
      case "work":
        for (let i = 0; i < 20; i++) await this.rig.clock.runUntil(pause(this.rig.clock));
        break;
      case "walk":
        this.walk();
        break;
      case "checkpoint":
        await this.checkpoint(step.isConfirmed, step.meanwhile);
        break;
      case "crash":
        await this.crash(VARIANTS[step.variant]!, step.parallelism);
    }
  }

  private act({ key, what, number }: Act): void {
    const { backend, timers } = this.memberOf(key);
    const { model } = this;
    backend.setCurrentKey(key);
    switch (what) {
      case "text": {
        const text = `${number} `.repeat(1 + (number % 7) * 60);
        backend.state(TEXT).update(text);
        model.texts.set(key, text);
        break;
      }
      case "clear text":
        backend.state(TEXT).clear();
        model.texts.delete(key);
        break;
      case "add":
        backend.state(ITEMS).add(number);
        model.items.set(key, [...model.items.get(key) ?? [], number]);
        break;
      case "replace":
        backend.state(ITEMS).update([number, number + 1]);
        model.items.set(key, [number, number + 1]);
        break;
      case "clear items":
        backend.state(ITEMS).clear();
        model.items.delete(key);
        break;
      case "set":
        backend.state(CELLS).set(`c${number % 5}`, number);
        model.cells.set(key, (model.cells.get(key) ?? new Map<string, number>()).set(`c${number % 5}`, number));
        break;
      case "delete":
        equal(backend.state(CELLS).delete(`c${number % 5}`), model.cells.get(key)?.delete(`c${number % 5}`) ?? false);
        break;
      case "clear cells":
        backend.state(CELLS).clear();
        model.cells.delete(key);
        break;
      case "fold":
        backend.state(LARGEST).add(number);
        model.folds.set(key, Math.max(model.folds.get(key) ?? number, number));
        break;
      case "clear fold":
        backend.state(LARGEST).clear();
        model.folds.delete(key);
        break;
      case "register":
        timers.add(number, key, VOID_NAMESPACE);
        model.timers.add(`${number} ${key}`);
        break;
      case "unregister":
        timers.remove(number, key, VOID_NAMESPACE);
        model.timers.delete(`${number} ${key}`);
    }
  }

  private fire(member: Member): void {
    const own = [...this.model.timers].map((timer) => timer.split(" ").map(Number)).filter(([, key]) =>
      this.memberOf(key!) === member
    );
    const earliestMs = Math.min(...own.map(([timestampMs]) => timestampMs!));
    equal(member.timers.headTimestampMs, earliestMs);
    const timer = member.timers.poll();
    if (timer === null) return equal(own.length, 0);
    equal(timer.timestampMs, earliestMs);
    equal(this.model.timers.delete(`${timer.timestampMs} ${timer.key}`), true);
  }

  private walk(): void {
    const keys = this.members.flatMap(({ backend }) => [...backend.keys(TEXT)]);
    deepEqual(keys.sort(byNumber), [...this.model.texts.keys()].sort(byNumber));
    equal(this.members.reduce((sum, { timers }) => sum + timers.size, 0), this.model.timers.size);
  }

  private async checkpoint(isConfirmed: boolean, meanwhile: readonly Act[]): Promise<void> {
    const checkpointId = this.nextCheckpoint++;
    const model = this.model.copy();
    const pending = this.members.map(({ backend }) => backend.snapshot({ checkpointId, full: false }));
    for (const act of meanwhile) this.act(act);
    const handles = [];
    for (const one of pending) handles.push(await this.rig.clock.runUntil(one.write(this.rig.files)));
    for (const { backend } of this.members) {
      if (isConfirmed) backend.confirm(checkpointId);
      else backend.abort(checkpointId);
    }
    if (isConfirmed) this.saved = { model, handles };
  }

  /** All subtasks are gone; others go on from the last confirmed checkpoint. */
  private async crash(variant: BackendVariant, parallelism: number): Promise<void> {
    this.model = this.saved.model.copy();
    await this.open(variant, parallelism);
    this.check();
  }

  /** Every key holds what it must. */
  check(): void {
    for (let key = 0; key < KEYS; key++) {
      const { backend } = this.memberOf(key);
      backend.setCurrentKey(key);
      equal(backend.state(TEXT).value(), this.model.texts.get(key) ?? null);
      deepEqual(backend.state(ITEMS).get(), this.model.items.get(key) ?? []);
      const cells = [...backend.state(CELLS)].sort(([left], [right]) => left < right ? -1 : 1);
      deepEqual(cells, [...this.model.cells.get(key) ?? []].sort(([left], [right]) => left < right ? -1 : 1));
      equal(backend.state(CELLS).isEmpty(), cells.length === 0);
      equal(backend.state(LARGEST).get(), this.model.folds.get(key) ?? null);
    }
    const timers = this.members.flatMap(({ timers }) => [...timers].map((one) => `${one.timestampMs} ${one.key}`));
    deepEqual(timers.sort(), [...this.model.timers].sort());
  }
}

function byNumber(left: unknown, right: unknown): number {
  return Number(left) - Number(right);
}

function openTimers(
  variant: BackendVariant,
  backend: StateBackend,
  keyGroups: { start: number; end: number },
): TimerQueue {
  const options = { name: "timers", maxParallelism: GROUPS, keyGroups };
  if (variant.timers === "embedded") {
    return new EmbeddedTimerQueue({ ...options, rows: backend.orderedRows!("timers"), cacheSize: 2 });
  }
  const queue = new HeapTimerQueue({ ...options, tracking: true });
  backend.attach(queue);
  return queue;
}

const act: fc.Arbitrary<Act> = fc.record({
  key: fc.nat(KEYS - 1),
  what: fc.constantFrom<Act["what"]>(
    "text",
    "text",
    "clear text",
    "add",
    "replace",
    "clear items",
    "set",
    "delete",
    "clear cells",
    "fold",
    "clear fold",
    "register",
    "register",
    "unregister",
  ),
  number: fc.nat(40),
});

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ step: fc.constant("acts" as const), acts: fc.array(act, { maxLength: 120, size: "max" }) }),
  },
  { weight: 2, arbitrary: fc.record({ step: fc.constant("fire" as const), count: fc.nat(6) }) },
  { weight: 2, arbitrary: fc.record({ step: fc.constant("work" as const) }) },
  { weight: 1, arbitrary: fc.record({ step: fc.constant("walk" as const) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      step: fc.constant("checkpoint" as const),
      isConfirmed: fc.boolean(),
      meanwhile: fc.array(act, { maxLength: 10 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      step: fc.constant("crash" as const),
      variant: fc.nat(VARIANTS.length - 1),
      parallelism: fc.integer({ min: 1, max: 4 }),
    }),
  },
);

for (const variant of VARIANTS) {
  test(`random histories that begin on ${variant.name} hold what plain Maps hold, through crashes and on any backend [39] [40] [58] [130]`, async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40, size: "max" }), async (steps) => {
        await using rig = new BackendRig(variant.factory);
        const history = new History(rig);
        await history.open(variant, 2);
        for (const one of steps) await history.take(one);
        history.check();
      }),
      { numRuns: scaled(10, 300) },
    );
  });
}
