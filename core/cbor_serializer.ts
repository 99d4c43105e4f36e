/**
 * The serializer for any plain data.
 *
 * Called by: state descriptors that name it.
 * Calls: core/structured_value.ts.
 *
 * @module
 */

import type { ByteReader, ByteWriter } from "./bytes.ts";
import { type Compatibility, compatibilityOf, type Serializer, type SerializerSnapshot } from "./serializer.ts";
import { checkStructured, readStructured, writeStructured } from "./structured_value.ts";

class CborSerializer implements Serializer<unknown> {
  readonly id = "cbor";
  readonly version = 1;
  readonly immutable = false;

  write(value: unknown, out: ByteWriter): void {
    writeStructured(out, value, "state");
  }

  read(input: ByteReader): unknown {
    return readStructured(input, input.u8());
  }

  compatibilityWith(previous: SerializerSnapshot): Compatibility {
    return compatibilityOf(this, previous);
  }

  check(value: unknown, where: string): void {
    checkStructured(value, where);
  }
}

const shared = new CborSerializer();

/**
 * The serializer of plain data: primitives, plain objects and arrays, Map, Set, Date, typed arrays, nested as you like.
 * What is read equals what was written, -0, `undefined` and lone surrogates included; two references to one object
 * become two objects. Class instances, functions, symbols, sparse arrays and cycles are refused with a StreamError of
 * kind "invalid" that names the field.
 *
 * @example
 * ```ts
 * import { ByteReader, ByteWriter } from "./bytes.ts";
 * import { cbor } from "./cbor_serializer.ts";
 *
 * const orders = cbor<{ id: number; lines: string[] }>();
 * const out = new ByteWriter();
 * orders.write({ id: 7, lines: ["tea"] }, out);
 * const order = orders.read(new ByteReader(out.copy()));
 * if (order.lines[0] !== "tea") throw new Error("unreachable");
 * ```
 */
export function cbor<T>(): Serializer<T> {
  return shared as Serializer<unknown> as Serializer<T>; // one codec for all types: the values are checked when written
}
