/**
 * A pipeline that writes over all of its state again and again, and tells at the end what is left: whoever has found a
 * stale row tells something else.
 *
 * Called by: tests of restores on other backends and at another parallelism.
 * Calls: mod.ts.
 */
import {
  aggregatingState,
  type CollectSink,
  generator,
  KeyedActor,
  listState,
  mapState,
  reducingState,
  type StreamEnvironment,
  valueState,
  watermarks,
} from "../../mod.ts";

/** Each split of the generator has all records of its keys, so that they come in order at any parallelism. */
export const KEYS = 192;
/** Records per key. */
export const ROUNDS = 24;
/** Records of the input. */
export const RECORDS = KEYS * ROUNDS;
/** After all records: then the actor tells. */
const END_MS = 1_000_000;

interface Write {
  readonly key: number;
  readonly round: number;
}

/** What is left of a key, as text. */
type Left = string;

/** What the pipeline has to put out, sorted. */
export function leftovers(): readonly Left[] {
  return Array.from({ length: KEYS }, (_, key) => {
    const map = new Map<number, string>();
    let list: number[] = [];
    let value: string | null = null;
    for (let round = 0; round < ROUNDS; round++) {
      value = clearsValue(key, round) ? null : content(key, round);
      if ((key + round) % 7 === 0) map.clear();
      map.set(round % 5, content(key, round));
      map.delete((round + 3) % 5);
      if ((key + round) % 4 === 0) list = [];
      list.push(round);
    }
    return text({ key, value, map, list, sum: (ROUNDS * (ROUNDS - 1)) / 2, count: ROUNDS, timers: timersOf(key) });
  }).sort();
}

function clearsValue(key: number, round: number): boolean {
  return (key + round) % 3 === 0;
}

/** Long enough that a few hundred fill the memory of a slot. */
function content(key: number, round: number): string {
  return `${key}/${round}/`.padEnd(40, "x");
}

/** Each round sets a timer; the next one takes some of them back. */
function timersOf(key: number): readonly number[] {
  return Array.from({ length: ROUNDS }, (_, round) => round).filter((round) => staysOf(key, round));
}

function staysOf(key: number, round: number): boolean {
  return (key + round) % 3 === 1 || round === ROUNDS - 1;
}

function text(left: {
  readonly key: number;
  readonly value: string | null;
  readonly map: ReadonlyMap<number, string>;
  readonly list: readonly number[];
  readonly sum: number;
  readonly count: number;
  readonly timers: readonly number[];
}): Left {
  const map = [...left.map].sort(([a], [b]) => a - b);
  return JSON.stringify({ ...left, map, timers: [...left.timers].sort((a, b) => a - b) });
}

class OverwritingActor extends KeyedActor<number, Write, Left> {
  readonly #value = this.state(valueState<string>("value"));
  readonly #map = this.state(mapState<number, string>("map"));
  readonly #list = this.state(listState<number>("list"));
  readonly #sum = this.state(reducingState<number>("sum", (a, b) => a + b));
  readonly #count = this.state(aggregatingState<number, number, number>("count", {
    create: () => 0,
    add: (count) => count + 1,
    result: (count) => count,
    merge: (a, b) => a + b,
  }));
  readonly #fired = this.state(listState<number>("fired"));

  override onMessage({ key, round }: Write): void {
    if (clearsValue(key, round)) this.#value.clear();
    else this.#value.update(content(key, round));
    if ((key + round) % 7 === 0) this.#map.clear();
    this.#map.set(round % 5, content(key, round));
    this.#map.delete((round + 3) % 5);
    if ((key + round) % 4 === 0) this.#list.clear();
    this.#list.add(round);
    this.#sum.add(round);
    this.#count.add(round);
    this.timers.registerEventTime(END_MS);
    this.timers.registerEventTime(END_MS - ROUNDS + round);
    if (round > 0 && !staysOf(key, round - 1)) this.timers.deleteEventTime(END_MS - ROUNDS + round - 1);
  }

  override onTimer(timestampMs: number): void {
    if (timestampMs < END_MS) return this.#fired.add(timestampMs - END_MS + ROUNDS);
    this.emit(text({
      key: this.key,
      value: this.#value.value(),
      map: new Map(this.#map.entries()),
      list: [...this.#list.get()],
      sum: this.#sum.get() ?? 0,
      count: this.#count.get() ?? 0,
      timers: [...this.#fired.get()],
    }));
  }
}

/** Adds the pipeline to an environment. @param perMs Records of a millisecond. */
export function overwrites(env: StreamEnvironment, out: CollectSink<Left>, perMs: number): void {
  const source = generator<Write>({
    count: RECORDS,
    ratePerSecond: perMs * 1_000,
    create: (index) => ({ key: index % KEYS, round: Math.floor(index / KEYS) }),
  });
  env.fromSource(
    "writes",
    source,
    watermarks((write: Write) => write.round * KEYS + write.key).boundedOutOfOrderness(RECORDS),
  )
    .keyBy(({ key }) => key).actor("overwriting", () => new OverwritingActor()).sinkTo("left", out);
}
