/**
 * The serializer of a state that names none: compact for primitives, plain data otherwise.
 *
 *     value = %x00 undefined | %x01 null | %x02 false | %x03 true
 *           | %x04 varint        ; integer of 32 bits, zigzag: 0, -1, 1, -2, … are 0, 1, 2, 3, …
 *           | %x05 8byte         ; any other number, IEEE 754 big endian
 *           | %x06 *byte         ; string, CESU-8, to the end
 *           | %x07 *byte         ; bigint, as serializer "bigint", to the end
 *           | structured         ; %x08 and %x09, grammar of core/structured_value.ts
 *
 * Called by: state descriptors.
 * Calls: core/serializer.ts, core/structured_value.ts, core/cesu8.ts.
 *
 * @module
 */

import type { ByteReader, ByteWriter } from "./bytes.ts";
import { readCesu8, writeCesu8 } from "./cesu8.ts";
import { bigint, type Compatibility, compatibilityOf, type Serializer, type SerializerSnapshot } from "./serializer.ts";
import { checkStructured, readStructured, writeStructured } from "./structured_value.ts";

const UNDEFINED = 0x00;
const NULL = 0x01;
const FALSE = 0x02;
const TRUE = 0x03;
const INTEGER = 0x04;
const NUMBER = 0x05;
const STRING = 0x06;
const BIGINT = 0x07;

class AutoSerializer implements Serializer<unknown> {
  readonly id = "auto";
  readonly version = 1;
  readonly immutable = false;

  write(value: unknown, out: ByteWriter): void {
    if (typeof value === "number") {
      writeNumber(value, out);
    } else if (typeof value === "string") {
      out.u8(STRING);
      writeCesu8(out, value);
    } else if (typeof value === "boolean") {
      out.u8(value ? TRUE : FALSE);
    } else if (typeof value === "bigint") {
      out.u8(BIGINT);
      bigint.write(value, out);
    } else if (value === undefined) {
      out.u8(UNDEFINED);
    } else if (value === null) {
      out.u8(NULL);
    } else {
      writeStructured(out, value, "state");
    }
  }

  read(input: ByteReader): unknown {
    const tag = input.u8();
    switch (tag) {
      case INTEGER: {
        const zigzag = input.varint();
        if (zigzag > 0xffff_ffff) input.fail("an integer is over 32 bits");
        return (zigzag >>> 1) ^ -(zigzag & 1);
      }
      case NUMBER:
        return input.f64();
      case STRING:
        return readCesu8(input, input.end - input.position);
      case BIGINT:
        return bigint.read(input);
      case UNDEFINED:
        return undefined;
      case NULL:
        return null;
      case FALSE:
        return false;
      case TRUE:
        return true;
      default:
        return readStructured(input, tag);
    }
  }

  compatibilityWith(previous: SerializerSnapshot): Compatibility {
    return compatibilityOf(this, previous);
  }

  check(value: unknown, where: string): void {
    if (typeof value === "object" || typeof value === "function" || typeof value === "symbol") {
      checkStructured(value, where);
    }
  }
}

function writeNumber(value: number, out: ByteWriter): void {
  if ((value | 0) === value && (value !== 0 || 1 / value > 0)) {
    out.u8(INTEGER);
    out.varint(((value << 1) ^ (value >> 31)) >>> 0);
  } else {
    out.u8(NUMBER);
    out.f64(value);
  }
}

const shared = new AutoSerializer();

/**
 * The serializer used when a descriptor names none. Takes what `cbor()` takes, and stores numbers, strings, booleans
 * and bigints in few bytes.
 */
export function auto<T>(): Serializer<T> {
  return shared as Serializer<unknown> as Serializer<T>; // one codec for all types: the values are checked when written
}
