/**
 * Writes a failure as the Java object that Flink's clients read from `serialized-throwable`: without one they cannot
 * read the answer at all, and the `flink` command would not say why a savepoint has failed.
 *
 * Called by: control/http/error_texts.ts.
 * Calls: core/bytes.ts, core/cesu8.ts.
 *
 * Source: the Java Object Serialization Specification, chapter 6; the fields of Flink's
 * `org.apache.flink.util.SerializedThrowable`.
 *
 *     stream    = magic object
 *     object    = TC_OBJECT class(SerializedThrowable) values(Throwable) TC_ENDBLOCKDATA values(SerializedThrowable)
 *     class     = TC_CLASSDESC name version flags fields TC_ENDBLOCKDATA (class of the superclass | TC_NULL)
 *     values    = the fields' values in the order in which the class lists them
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { ByteWriter } from "../../core/bytes.ts";
import { cesu8Size, writeCesu8 } from "../../core/cesu8.ts";

const MAGIC = [0xac, 0xed, 0x00, 0x05];
const TC_NULL = 0x70;
const TC_CLASSDESC = 0x72;
const TC_OBJECT = 0x73;
const TC_STRING = 0x74;
const TC_ENDBLOCKDATA = 0x78;
const TC_LONGSTRING = 0x7c;
/** The class has fields only; or it writes something by itself, which ends in a mark. */
const SC_SERIALIZABLE = 0x02;
const SC_WRITE_METHOD = 0x01;

/** A class as a stream describes it. */
interface JavaClass {
  readonly name: string;
  /** Its `serialVersionUID`. */
  readonly version: bigint;
  readonly flags: number;
  /** Name and type, as in class files. */
  readonly fields: readonly (readonly [string, string])[];
}

const STRING = "Ljava/lang/String;";

/** From the class itself up to the topmost that can be written. */
const CLASSES: readonly JavaClass[] = [
  {
    name: "org.apache.flink.util.SerializedThrowable",
    version: 7284183123441947635n,
    flags: SC_SERIALIZABLE,
    fields: [["fullStringifiedStackTrace", STRING], ["originalErrorClassName", STRING], ["serializedException", "[B"]],
  },
  { name: "java.lang.Exception", version: -3387516993124229948n, flags: SC_SERIALIZABLE, fields: [] },
  {
    name: "java.lang.Throwable",
    version: -3042686055658047285n,
    flags: SC_SERIALIZABLE | SC_WRITE_METHOD,
    fields: [
      ["cause", "Ljava/lang/Throwable;"],
      ["detailMessage", STRING],
      ["stackTrace", "[Ljava/lang/StackTraceElement;"],
      ["suppressedExceptions", "Ljava/util/List;"],
    ],
  },
];

/** What is told of a failure. */
export interface ThrowableTexts {
  /** Name of its class. */
  readonly className: string;
  /** Its message. */
  readonly message: string;
  /** What is printed as its stack trace. */
  readonly stackTrace: string;
}

/** The failure in base64. */
export function serializedThrowable({ className, message, stackTrace }: ThrowableTexts): string {
  const out = new ByteWriter();
  for (const byte of [...MAGIC, TC_OBJECT]) out.u8(byte);
  for (const one of CLASSES) writeClass(out, one);
  out.u8(TC_NULL);
  // Throwable: no cause, the message, no frames, nothing suppressed.
  out.u8(TC_NULL);
  writeString(out, message);
  out.u8(TC_NULL);
  out.u8(TC_NULL);
  out.u8(TC_ENDBLOCKDATA);
  // SerializedThrowable: the object that was thrown is not of Java.
  writeString(out, stackTrace);
  writeString(out, className);
  out.u8(TC_NULL);
  return Buffer.from(out.buffer.subarray(0, out.length)).toString("base64");
}

function writeClass(out: ByteWriter, { name, version, flags, fields }: JavaClass): void {
  out.u8(TC_CLASSDESC);
  writeText(out, name);
  writeNumber(out, BigInt.asUintN(64, version), 8);
  out.u8(flags);
  writeNumber(out, BigInt(fields.length), 2);
  for (const [field, type] of fields) {
    out.u8(type.charCodeAt(0));
    writeText(out, field);
    writeString(out, type);
  }
  // No annotations.
  out.u8(TC_ENDBLOCKDATA);
}

/** A string as an object; each is written out, none refers back. */
function writeString(out: ByteWriter, text: string): void {
  const size = cesu8Size(text);
  if (size <= 0xffff) {
    out.u8(TC_STRING);
    writeNumber(out, BigInt(size), 2);
  } else {
    out.u8(TC_LONGSTRING);
    writeNumber(out, BigInt(size), 8);
  }
  writeCesu8(out, text);
}

/** A short text that is no object. */
function writeText(out: ByteWriter, text: string): void {
  writeNumber(out, BigInt(cesu8Size(text)), 2);
  writeCesu8(out, text);
}

/** The highest byte first. */
function writeNumber(out: ByteWriter, value: bigint, sizeBytes: number): void {
  for (let at = sizeBytes - 1; at >= 0; at--) out.u8(Number((value >> BigInt(8 * at)) & 0xffn));
}
