/** State of every kind for many keys, to be compared after a snapshot; and a serializer with versions. */
import { equal } from "node:assert/strict";
import type { StateBackend } from "../../core/backend.ts";
import type { ByteReader, ByteWriter } from "../../core/bytes.ts";
import { listState, mapState, reducingState, valueState } from "../../core/descriptors.ts";
import { compatibilityOf, type Serializer, type SerializerSnapshot, snapshotOf, str } from "../../core/serializer.ts";

export const COUNT = valueState<number>("count", { default: 0 });
export const BOX = valueState<{ n: number }>("box");
export const ITEMS = listState<number>("items");
export const CELLS = mapState<string, number>("cells");
export const SUM = reducingState<number>("sum", (left, right) => left + right);
export const KEYS = 700;

/** Writes each state of each key. */
export function fill(backend: StateBackend, round: number): void {
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

/** What some of the keys hold. */
export function read(backend: StateBackend): unknown[] {
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
export class TextNumber implements Serializer<number> {
  readonly id = "text-number";
  readonly immutable = true;
  constructor(readonly version: number, readonly oldest: number = 1) {}

  write(value: number, out: ByteWriter): void {
    if (value === 13) throw new Error("13 is refused");
    str.write(`v${this.version}:${value}`, out);
  }

  read(input: ByteReader): number {
    return this.migrate(input, snapshotOf(this));
  }

  migrate(input: ByteReader, previous: SerializerSnapshot): number {
    const [version, value] = str.read(input).split(":");
    equal(version, `v${previous.version}`);
    return Number(value);
  }

  compatibilityWith(previous: SerializerSnapshot): ReturnType<Serializer<number>["compatibilityWith"]> {
    return previous.version < this.oldest ? "incompatible" : compatibilityOf(this, previous);
  }
}
