/** State of every kind in two versions, to be written in one and restored in the other; and serializers for it. */
import { deepEqual, equal } from "node:assert/strict";
import type { StateBackend } from "../../core/backend.ts";
import type { ByteReader, ByteWriter } from "../../core/bytes.ts";
import { aggregatingState, listState, mapState, reducingState, valueState } from "../../core/descriptors.ts";
import type { Key } from "../../core/key.ts";
import { compatibilityOf, type Serializer, type SerializerSnapshot, str } from "../../core/serializer.ts";
import type { SchemaOptions } from "../../core/state_schema.ts";
import { TextNumber } from "./snapshot_sample.ts";

/** Today's values; a number stood alone before. */
export type Sum = { sum: number };

export const KEYS = 400;
export const HOUR: Key = ["hour", 7];

/** The five kinds of numbers: version 1. */
export function old(serializer?: Serializer<number>) {
  const options = serializer === undefined ? {} : { serializer };
  return {
    value: valueState<number>("value", options),
    list: listState<number>("list", options),
    map: mapState<string, number>("map", options),
    fold: reducingState<number>("fold", (left, right) => left + right, options),
    mean: aggregatingState<number, number, number>("mean", {
      create: () => 0,
      add: (sum, input) => sum + input,
      result: (sum) => sum,
      merge: (left, right) => left + right,
    }, options),
  };
}

/** The same five of objects, as `options` says. */
export function young(options: SchemaOptions<Sum> & { readonly serializer?: Serializer<Sum> }) {
  return {
    value: valueState<Sum>("value", options),
    list: listState<Sum>("list", options),
    map: mapState<string, Sum>("map", options),
    fold: reducingState<Sum>("fold", (left, right) => ({ sum: left.sum + right.sum }), options),
    mean: aggregatingState<number, Sum, number>("mean", {
      create: () => ({ sum: 0 }),
      add: ({ sum }, input) => ({ sum: sum + input }),
      result: ({ sum }) => sum,
      merge: (left, right) => ({ sum: left.sum + right.sum }),
    }, options),
  };
}

export const migrate = (value: unknown): Sum => ({ sum: Number(value) });
export const V2 = young({ version: 2, migrate });
/** Reads what version 2 has written, and nothing else. */
export const V2_ALONE = young({ version: 2 });

/** Writes all kinds of each key; of some in a namespace too. */
export function fill(backend: StateBackend, states: ReturnType<typeof old>): void {
  for (let i = 0; i < KEYS; i++) {
    backend.setCurrentKey(`k${i}`);
    const value = backend.state(states.value);
    value.update(i);
    backend.state(states.list).addAll([i, i + 1, i + 2]);
    backend.state(states.map).set("a", i).set("b", -1 - i);
    backend.state(states.fold).add(i);
    backend.state(states.mean).add(i);
    if (i % 10 !== 0) continue;
    value.setNamespace(HOUR);
    value.update(i * 100);
  }
}

/** Every entry, read through `states`; all is as `fill` has left it, `added` more in each. */
export function verify(backend: StateBackend, states: typeof V2, added = 0): void {
  const handle = {
    value: backend.state(states.value),
    hour: backend.state(states.value),
    list: backend.state(states.list),
    map: backend.state(states.map),
    fold: backend.state(states.fold),
    mean: backend.state(states.mean),
  };
  handle.hour.setNamespace(HOUR);
  for (let i = 0; i < KEYS; i++) {
    backend.setCurrentKey(`k${i}`);
    deepEqual(handle.value.value(), { sum: i + added });
    deepEqual(handle.hour.value(), i % 10 === 0 ? { sum: i * 100 } : null);
    const items = [i, i + 1, i + 2, ...(added > 0 ? [added] : [])];
    deepEqual(handle.list.get(), items.map((sum) => ({ sum })));
    deepEqual([...handle.map].sort(), [["a", { sum: i + added }], ["b", { sum: -1 - i }]]);
    deepEqual(handle.fold.get(), { sum: i + added });
    equal(handle.mean.get(), i + added);
  }
  for (const descriptor of Object.values(states)) {
    equal([...backend.keys(descriptor)].length, KEYS);
    equal([...backend.keys(descriptor, HOUR)].length, descriptor === states.value ? KEYS / 10 : 0);
  }
}

export function change(backend: StateBackend, states: typeof V2, added: number): void {
  for (let i = 0; i < KEYS; i++) {
    backend.setCurrentKey(`k${i}`);
    const value = backend.state(states.value);
    value.update({ sum: value.value()!.sum + added });
    backend.state(states.list).add({ sum: added });
    const map = backend.state(states.map);
    map.set("a", { sum: map.get("a")!.sum + added });
    backend.state(states.fold).add({ sum: added });
    backend.state(states.mean).add(added);
  }
}

/** As its parent, but it refuses no number. */
export class AnyTextNumber extends TextNumber {
  override write(value: number, out: ByteWriter): void {
    str.write(`v${this.version}:${value}`, out);
  }
}

/** Numbers as big-endian or little-endian floats: it goes on in the order of bytes that it finds. */
export class EndianNumber implements Serializer<number> {
  readonly id = "endian";
  readonly immutable = true;
  constructor(readonly version: 1 | 2) {}
  write(value: number, out: ByteWriter): void {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setFloat64(0, value, this.version === 2);
    out.bytes(bytes);
  }
  read(input: ByteReader): number {
    const bytes = input.bytes(8);
    return new DataView(bytes.buffer, bytes.byteOffset).getFloat64(0, this.version === 2);
  }
  compatibilityWith(previous: SerializerSnapshot): ReturnType<Serializer<number>["compatibilityWith"]> {
    return previous.id === this.id && previous.version !== this.version
      ? "reconfigured"
      : compatibilityOf(this, previous);
  }
  reconfigure(previous: SerializerSnapshot): Serializer<number> {
    return new EndianNumber(previous.version === 1 ? 1 : 2);
  }
}
