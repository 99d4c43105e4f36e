/**
 * What the states of an operator have in common: when they may be changed, and how their items become bytes.
 *
 * Called by: runtime/operator_list_handle.ts, runtime/broadcast_handle.ts, runtime/operator_states.ts.
 * Calls: serializers, core/state_compatibility.ts, backends/states/state_checks.ts.
 *
 * @module
 */
import { migrationFailure } from "../backends/states/state_checks.ts";
import { ByteReader, ByteWriter } from "../core/bytes.ts";
import { StreamError } from "../core/errors.ts";
import { type Key, writeKey } from "../core/key.ts";
import { type Serializer, snapshotOf, writeValue } from "../core/serializer.ts";
import type { OperatorList } from "../core/snapshot.ts";
import { readerOf } from "../core/state_compatibility.ts";

/** A state that is in the operator's snapshots. */
export interface StoredState {
  /** Its items as they are now; null when it has nothing to say. */
  snapshot(): OperatorList | null;
  /** Takes items back; called once, before anything else. */
  restore(list: OperatorList): void;
}

/** Between two slices. */
const NO_MESSAGE =
  "no message is in hand, so a checkpoint could not tell whether the change belongs to it; change it in " +
  "onMessage() or onEnd(), before they return";

/** Says whether the states of an operator may be changed. */
export class StateAccess {
  isOpen = true;

  /** @param whyShut What a change is refused with while it is not open: what is, and the remedy. */
  constructor(readonly operatorName: string, private readonly whyShut: string = NO_MESSAGE) {}

  /** @throws {StreamError} Always. @param where Names the state. */
  refuse(where: string): never {
    throw new StreamError("invalid", `Cannot change ${where} of "${this.operatorName}" here: ${this.whyShut}`);
  }
}

/** Writes items one after another into one piece of memory. */
export class ItemsWriter<T> {
  readonly #out = new ByteWriter();
  readonly #ends: number[] = [];

  constructor(private readonly serializer: Serializer<T>, private readonly where: string) {}

  /** @throws {StreamError} Of kind "invalid" if the serializer refuses the value. @param key Written before the value, unless null. */
  add(key: Key | null, value: T): void {
    if (key !== null) writeKey(this.#out, key);
    writeValue(this.serializer, value, this.#out, this.where);
    this.#ends.push(this.#out.length);
  }

  /** The items, which nothing changes any more. */
  finish(): Uint8Array[] {
    const all = this.#out.copy();
    return this.#ends.map((end, index) => all.subarray(this.#ends[index - 1] ?? 0, end));
  }
}

/** What restored items are read for. */
export interface RestoredItems<T> {
  /** The serializer that the state is declared with. */
  readonly serializer: Serializer<T>;
  /** Names the state. */
  readonly where: string;
  readonly operatorName: string;
}

/**
 * Reads the items of a list.
 *
 * @param take Called for each item; `read` gives the value at the input's position.
 * @returns The serializer to go on with: the declared one, unless it has been reconfigured.
 * @throws {StreamError} If the serializer cannot read what the checkpoint holds, or a value cannot be migrated.
 */
export function readItems<T>(
  { items, serializer: written }: OperatorList,
  { serializer, where, operatorName }: RestoredItems<T>,
  take: (input: ByteReader, read: () => T) => void,
): Serializer<T> {
  // A subtask without items goes on in the format of the others, or the next restore would mix them up.
  if (items.length === 0 && serializer.compatibilityWith(written) !== "reconfigured") return serializer;
  const place = `${where} of operator "${operatorName}"`;
  const reader = readerOf(serializer, written, place);
  const input = new ByteReader(new Uint8Array(0));
  const scratch = new ByteWriter();
  const read = (): T => {
    const value = reader.read(input);
    if (reader.outcome === "as-is") return value;
    scratch.reset();
    // What cannot be written is noticed here, not in the first checkpoint.
    writeValue(reader.serializer, value, scratch, where);
    return value;
  };
  for (const item of items) {
    input.open(item);
    try {
      take(input, read);
    } catch (error) {
      const isDamage = error instanceof StreamError && error.kind === "corrupt";
      if (isDamage || reader.outcome === "as-is") throw error;
      throw migrationFailure(error, { where: place, from: written, to: snapshotOf(reader.serializer) });
    }
    if (input.position !== input.end) input.fail(`an item of ${where} goes on behind its value`);
  }
  return reader.serializer;
}
