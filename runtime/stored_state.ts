/**
 * What the states of an operator have in common: when they may be changed, and how their items become bytes.
 *
 * Called by: runtime/operator_list_handle.ts, runtime/broadcast_handle.ts, runtime/operator_states.ts.
 * Calls: serializers.
 *
 * @module
 */
import { ByteReader, ByteWriter } from "../core/bytes.ts";
import { StreamError } from "../core/errors.ts";
import { type Key, writeKey } from "../core/key.ts";
import { type Serializer, type SerializerSnapshot, writeValue } from "../core/serializer.ts";
import type { OperatorList } from "../core/snapshot.ts";

/** A state that is in the operator's snapshots. */
export interface StoredState {
  /** Its items as they are now; null when it has nothing to say. */
  snapshot(): OperatorList | null;
  /** Takes items back; called once, before anything else. */
  restore(list: OperatorList): void;
}

/** Says whether the states of an operator may be changed. */
export class StateAccess {
  isOpen = true;

  constructor(private readonly operatorName: string) {}

  /** @throws {StreamError} Always. @param where Names the state. */
  refuse(where: string): never {
    throw new StreamError(
      "invalid",
      `Cannot change ${where} of "${this.operatorName}" here: no message is in hand, so a checkpoint could not tell ` +
        `whether the change belongs to it; change it in onMessage() or onEnd(), before they return`,
    );
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

/**
 * Reads the items of a list.
 *
 * @param take Called for each item; `read` gives the value at the input's position.
 * @throws {StreamError} If the serializer cannot read what the checkpoint holds.
 */
export function readItems<T>(
  list: OperatorList,
  serializer: Serializer<T>,
  where: string,
  take: (input: ByteReader, read: () => T) => void,
): void {
  const input = new ByteReader(new Uint8Array(0));
  const readValue = readerOf(serializer, list.serializer, where);
  const read = () => readValue(input);
  for (const item of list.items) {
    input.open(item);
    take(input, read);
    if (input.position !== input.end) input.fail(`an item of ${where} goes on behind its value`);
  }
}

function readerOf<T>(serializer: Serializer<T>, written: SerializerSnapshot, where: string): (input: ByteReader) => T {
  const compatibility = serializer.compatibilityWith(written);
  if (compatibility === "migrate" && serializer.migrate !== undefined) {
    return (input) => serializer.migrate!(input, written);
  }
  if (compatibility === "as-is" || compatibility === "reconfigured") return (input) => serializer.read(input);
  throw new StreamError(
    "invalid",
    `Cannot restore ${where} with serializer "${serializer.id}" version ${serializer.version}: its values were ` +
      `written by "${written.id}" version ${written.version}, which it cannot read; declare the state with a ` +
      `serializer that can, or under another name`,
  );
}
