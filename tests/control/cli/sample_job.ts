/**
 * A job with every kind of state, whose content is known: it reads a number of records and then waits, with timers that
 * are far away.
 *
 * Called by: tests of commands that read files.
 * Calls: mod.ts, tests/support/job_harness.ts.
 */
import {
  aggregatingState,
  bigint,
  bytes,
  collectSink,
  emits,
  f64,
  type Key,
  KeyedActor,
  listState,
  mapState,
  operatorListState,
  reducingState,
  type Serializer,
  type Source,
  str,
  valueState,
} from "../../../mod.ts";
import { compatibilityOf } from "../../../core/serializer.ts";
import { ByteWriter, compareBytes } from "../../../core/bytes.ts";
import { writeKey } from "../../../core/key.ts";
import { keyGroupOf } from "../../../core/key_groups.ts";
import { toJson } from "../../../control/cli/json_notation.ts";
import type { Build, ProcessOptions, TestProcess, TestWorld } from "../../support/job_harness.ts";

/** Records of its input; one arrives each millisecond. */
export const COUNT = 60;
/** Key groups. */
export const GROUPS = 16;
const FAR_MS = 1e12;

/** Keys of several types. */
export function keyOf(n: number): Key {
  const kinds: Key[] = [`k${n % 5}`, n % 4, [n % 3, "t"], BigInt(n % 2), Uint8Array.of(n % 3)];
  return kinds[n % kinds.length]!;
}

/** A serializer that is not Weir's own. */
export const pointSerializer: Serializer<{ x: number }> = {
  id: "point",
  version: 3,
  immutable: false,
  write: ({ x }, out) => out.u8(x),
  read: (input) => ({ x: input.u8() }),
  compatibilityWith: (previous) => compatibilityOf(pointSerializer, previous),
};

class Everything extends KeyedActor<Key, number, number> {
  readonly #total = this.state(valueState<number>("total", { default: 0, serializer: f64 }));
  readonly #numbers = this.state(listState<number>("numbers"));
  readonly #names = this.state(mapState<string, string>("names", { serializer: str }));
  readonly #longest = this.state(reducingState<number>("longest", Math.max));
  readonly #mean = this.state(aggregatingState("mean", {
    create: () => ({ sum: 0, count: 0 }),
    add: ({ sum, count }, input: number) => ({ sum: sum + input, count: count + 1 }),
    result: ({ sum, count }) => sum / count,
    merge: (left, right) => ({ sum: left.sum + right.sum, count: left.count + right.count }),
  }));
  readonly #big = this.state(valueState<bigint>("big", { serializer: bigint }));
  readonly #raw = this.state(valueState<Uint8Array>("raw", { serializer: bytes }));
  readonly #point = this.state(valueState("point", { serializer: pointSerializer }));

  override onMessage(n: number): void {
    this.#total.update(this.#total.value() + n);
    this.#numbers.add(n);
    if (n % 10 === 7) this.#numbers.clear();
    this.#names.set(`n${n % 3}`, String(n));
    if (n % 6 === 5) this.#names.delete("n0");
    this.#longest.add(n);
    this.#mean.add(n);
    this.#big.update(BigInt(n) ** 20n);
    this.#raw.update(Uint8Array.of(n, 255));
    this.#point.update({ x: n });
    this.timers.registerProcessingTime(FAR_MS + n % 4);
    this.emit(n);
  }
}

/** The same state, computed at once: lines of `weir dump` for each state, in their order. */
export function expectedLines(count: number = COUNT): Map<string, string[]> {
  const rows = new Map<string, [order: Uint8Array, line: unknown][]>();
  const add = (state: string, key: Key, rest: object, after: Uint8Array = new Uint8Array(0)): void => {
    const order = new ByteWriter();
    order.u16(keyGroupOf(key, GROUPS));
    writeKey(order, key);
    order.bytes(after);
    const all = rows.get(state) ?? [];
    all.push([order.copy(), { key: toJson(key), ...rest }]);
    rows.set(state, all);
  };
  const byKey = new Map<string, { key: Key; all: number[] }>();
  for (let n = 0; n < count; n++) {
    const key = keyOf(n);
    const id = JSON.stringify(toJson(key));
    const known = byKey.get(id) ?? { key, all: [] };
    known.all.push(n);
    byKey.set(id, known);
  }
  for (const { key, all } of byKey.values()) addKey(key, all, add);
  const sorted = (entries: [Uint8Array, unknown][]) =>
    entries.sort(([a], [b]) => compareBytes(a, 0, a.length, b, 0, b.length)).map(([, line]) => JSON.stringify(line));
  return new Map([...rows].map(([state, entries]) => [state, sorted(entries)]));
}

function addKey(
  key: Key,
  all: readonly number[],
  add: (state: string, key: Key, rest: object, after?: Uint8Array) => void,
): void {
  const sum = all.reduce((total, n) => total + n, 0);
  const last = all.at(-1)!;
  add("total", key, { value: sum });
  add("longest", key, { value: last });
  add("mean", key, { value: { sum, count: all.length } });
  add("big", key, { value: { $bigint: String(BigInt(last) ** 20n) } });
  add("raw", key, { value: { $bytes: btoa(String.fromCharCode(last, 255)) } });
  add("point", key, { value: { $raw: btoa(String.fromCharCode(last)), serializer: "point 3" } });
  const listed = all.slice(all.findLastIndex((n) => n % 10 === 7) + 1);
  listed.forEach((value, index) => add("numbers", key, { index, value }, Uint8Array.of(index)));
  const names = new Map<string, string>();
  for (const n of all) {
    names.set(`n${n % 3}`, String(n));
    if (n % 6 === 5) names.delete("n0");
  }
  for (const [mapKey, value] of names) add("names", key, { mapKey, value }, new TextEncoder().encode(mapKey));
}

/** Numbers 0..count-1, then nothing more for ever. Not dealt out: its only subtask reads all. */
export function numbers(count: number, onRead: (next: number) => void = () => {}): Source<number> {
  return {
    boundedness: "unbounded",
    replayable: true,
    maxParallelism: 1,
    open: ({ clock, restored }) => {
      let next = Number(restored?.[0]?.position ?? 0);
      return {
        read: (output) => {
          onRead(next);
          if (next === count) return new Promise(() => {});
          output.collect(next++, 0);
          return new Promise((resolve) => void clock.schedule(1, resolve));
        },
        position: () => [{ split: "all", position: next }],
        close: () => {},
      };
    },
  };
}

/** Puts the job together. */
export function sampleJob(count: number = COUNT, onRead?: (next: number) => void): Build {
  return (env) => {
    env.fromSource("numbers", numbers(count, onRead))
      .process("buffer", {
        emits: emits<number>(),
        state: { last: operatorListState<number>("last") },
        onMessage(n, context) {
          context.state.last.update([n]);
          context.emit(n);
        },
      })
      .keyBy(keyOf)
      .actor("everything", () => new Everything())
      .sinkTo("out", collectSink<number>());
  };
}

/** The job in a process. */
export interface SampleProcess {
  readonly process: TestProcess;
  /** A checkpoint that holds all records; its path. The job goes on. */
  checkpoint(): Promise<string>;
}

/** Starts the job in a world. */
export async function startSample(
  world: TestWorld,
  options: ProcessOptions = {},
  count: number = COUNT,
): Promise<SampleProcess> {
  const config = { "pipeline.max-parallelism": GROUPS, ...options.config };
  let read = 0;
  const process = await world.start(sampleJob(count, (next) => read = next), { ...options, config });
  return {
    process,
    async checkpoint() {
      await process.until(() => read === count);
      const { externalPath } = await process.settled(process.job.triggerCheckpoint());
      return externalPath;
    },
  };
}
