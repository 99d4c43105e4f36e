/**
 * Decides what restoring with a serializer means for values that another has written, and says why.
 *
 * Called by: the state registries of the backends, operators with lists of their own, tools that check a snapshot.
 * Calls: core/auto_serializer.ts, core/serializer.ts, core/stamped_value.ts, core/state_schema.ts.
 *
 * @module
 */
import { auto } from "./auto_serializer.ts";
import type { ByteReader } from "./bytes.ts";
import type { StateDescriptor } from "./descriptors.ts";
import { StreamError } from "./errors.ts";
import { type Compatibility, type Serializer, type SerializerSnapshot, snapshotOf } from "./serializer.ts";
import { StampedSerializer } from "./stamped_value.ts";
import { SchemaSerializer } from "./state_schema.ts";

/** What a snapshot says of one state. */
export interface WrittenState extends SerializerSnapshot {
  /** Its kind; absent for what has none. */
  readonly kind?: string;
}

/** The answer for one state. */
export interface StateCompatibility {
  /** What would become of the values. */
  readonly outcome: Compatibility;
  /** Why, and for "incompatible" what to do about it: half a sentence each, separated by "; ". */
  readonly detail: string;
}

/** Reads values as one writer has written them. */
export interface ValueReader<T> {
  /** Whether the values are written anew in another format, or mean something else now. */
  readonly outcome: "as-is" | "migrate";
  /** Reads one value from exactly `input.position..input.end`. */
  read(input: ByteReader): T;
}

/** How to go on with restored values. */
export interface RestoredValues<T> {
  /** The serializer to use from now on: the one that was asked, or what it has reconfigured itself to. */
  readonly serializer: Serializer<T>;
  /** A reader for each writer, in their order. */
  readonly readers: readonly ValueReader<T>[];
}

/** `serializer "auto" version 1, schema version 2`. */
export function textOfWriter({ id, version, schemaVersion }: SerializerSnapshot): string {
  return `serializer "${id}" version ${version}, schema version ${schemaVersion}`;
}

/**
 * What would become of values that `written` describes if their state were declared so. Decides only: nothing is read.
 *
 * @param declared A descriptor, or the serializer of something else that is restored.
 *
 * @example
 * ```ts
 * import { valueState } from "./descriptors.ts";
 * import { compatibilityOfState } from "./state_compatibility.ts";
 *
 * const total = valueState("total", { version: 2, migrate: (old) => ({ sum: Number(old), count: 0 }) });
 * const { outcome } = compatibilityOfState(total, { kind: "value", id: "f64", version: 1, schemaVersion: 1 });
 * if (outcome !== "migrate") throw new Error("unreachable");
 * ```
 */
export function compatibilityOfState(
  declared: StateDescriptor | Serializer<unknown>,
  written: WrittenState,
): StateCompatibility {
  if (!("kind" in declared)) return answerOf(declared, written);
  if (written.kind !== undefined && written.kind !== declared.kind) {
    const detail = `it is ${written.kind} state there and ${declared.kind} state here; give the new state another name`;
    return { outcome: "incompatible", detail };
  }
  const { serializer } = declared;
  // Stamps come and go as they please.
  return answerOf(serializer instanceof StampedSerializer ? serializer.inner : serializer ?? auto(), written);
}

/**
 * How to read values that `previous` has written.
 *
 * @param where Names what is restored, e.g. `list "offsets" of operator "orders"`.
 * @throws {StreamError} Of kind "invalid" if they cannot be read; it names both versions and the remedy.
 */
export function readerOf<T>(
  serializer: Serializer<T>,
  previous: SerializerSnapshot,
  where: string,
): ValueReader<T> & Pick<RestoredValues<T>, "serializer"> {
  const { serializer: used, readers: [reader] } = readersOf(serializer, [previous], where);
  return { serializer: used, outcome: reader!.outcome, read: (input) => reader!.read(input) };
}

/**
 * As {@link readerOf}, for values that several have written.
 *
 * @throws {StreamError} If one of them wrote what cannot be read.
 */
export function readersOf<T>(
  serializer: Serializer<T>,
  written: readonly SerializerSnapshot[],
  where: string,
): RestoredValues<T> {
  let used = serializer;
  // What a serializer becomes for one writer must do for the others too, so all are asked again.
  for (let round = 0; round <= written.length; round++) {
    let reconfigured: Serializer<T> | undefined;
    const readers: ValueReader<T>[] = [];
    for (const previous of written) {
      const { outcome, detail } = answerOf(used, previous);
      if (outcome === "incompatible") refuse(used, previous, where, detail);
      if (outcome === "reconfigured") reconfigured ??= used.reconfigure!(previous);
      else readers.push(readerFor(used, previous, outcome));
    }
    if (reconfigured === undefined) return { serializer: used, readers };
    used = reconfigured;
  }
  return refuse(
    used,
    written[0]!,
    where,
    "it asks to be reconfigured again and again; correct its compatibilityWith()",
  );
}

function readerFor<T>(
  serializer: Serializer<T>,
  previous: SerializerSnapshot,
  outcome: "as-is" | "migrate",
): ValueReader<T> {
  if (outcome === "as-is") return { outcome, read: (input) => serializer.read(input) };
  return { outcome, read: (input) => serializer.migrate!(input, previous) };
}

function refuse(serializer: Serializer<unknown>, previous: SerializerSnapshot, where: string, detail: string): never {
  throw new StreamError(
    "invalid",
    `Cannot restore ${where} with ${textOfWriter(snapshotOf(serializer))}: its values were written by ` +
      `${textOfWriter(previous)}, ${detail}`,
  );
}

function answerOf(serializer: Serializer<unknown>, written: SerializerSnapshot): StateCompatibility {
  const { schemaVersion = 1 } = serializer;
  if (written.schemaVersion > schemaVersion) return later(written, schemaVersion);
  const outcome = serializer.compatibilityWith(written);
  switch (outcome) {
    case "as-is":
      return { outcome, detail: "the values are read as they are" };
    case "migrate": {
      if (serializer.migrate === undefined) return incompatible(`which it would migrate, but it has no migrate()`);
      if (written.schemaVersion === schemaVersion) return { outcome, detail: "the serializer migrates its own values" };
      return {
        outcome,
        detail: `migrate() brings the values from version ${written.schemaVersion} to ${schemaVersion}`,
      };
    }
    case "reconfigured":
      if (serializer.reconfigure === undefined) {
        return incompatible("for which it would reconfigure itself, but it has no reconfigure()");
      }
      return { outcome, detail: "the serializer reconfigures itself to read them" };
    case "incompatible":
      return reasonOf(serializer, written, schemaVersion);
  }
}

function later(written: SerializerSnapshot, schemaVersion: number): StateCompatibility {
  return {
    outcome: "incompatible",
    detail: `which is later than ${schemaVersion}; start a program that declares the state with version ` +
      `${written.schemaVersion} or a later one, or restore from an older snapshot`,
  };
}

function incompatible(reason: string): StateCompatibility {
  return { outcome: "incompatible", detail: `${reason}; correct the serializer` };
}

function reasonOf(
  serializer: Serializer<unknown>,
  written: SerializerSnapshot,
  schemaVersion: number,
): StateCompatibility {
  const isOlder = written.schemaVersion < schemaVersion;
  const canMigrate = serializer instanceof SchemaSerializer ? serializer.hasMigrate : serializer.migrate !== undefined;
  const detail = !isOlder
    ? "which it cannot read; declare the state with a serializer that can, or raise its version and declare a " +
      "migrate() for older values, or give the new state another name"
    : canMigrate
    ? "which nothing here can read; hand the serializer that wrote them to `previousSerializers`, or give the new " +
      "state another name"
    : "for which no migrate() is declared; declare one with the state, or give the new state another name";
  return { outcome: "incompatible", detail };
}
