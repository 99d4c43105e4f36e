/**
 * The version that a state is declared with, and the function that brings older values up to it: a serializer around
 * the one that writes the bytes.
 *
 *     old bytes → the serializer that reads them (its own `migrate` first) → the state's migrate() → value of today
 *
 * Called by: descriptors.ts; state_compatibility.ts, for its reasons.
 * Calls: core/auto_serializer.ts, core/builtin_serializers.ts, core/serializer.ts.
 *
 * @module
 */
import { auto } from "./auto_serializer.ts";
import { builtInSerializer } from "./builtin_serializers.ts";
import type { ByteReader, ByteWriter } from "./bytes.ts";
import { messageOf, StreamError } from "./errors.ts";
import type { Compatibility, Serializer, SerializerSnapshot } from "./serializer.ts";

/** Schema versions are written with at most 15 digits. */
const VERSION_LIMIT = 1_000_000_000_000_000;

/** Options of every state: what its values mean, and what becomes of older ones. */
export interface SchemaOptions<T> {
  /**
   * Version of what the values mean, an integer ≥ 1; raise it when their shape changes. Default 1. Values of a higher
   * version are refused on restore, those of a lower one as well unless `migrate` is there.
   */
  readonly version?: number;
  /**
   * Makes a value of today from one that was written at `fromVersion`, which is lower than `version`. It is called for
   * each value, list element, map value, fold or accumulator when a snapshot is restored; it may change and return
   * `old`, and must depend on nothing else. What it throws fails the start and leaves the snapshot as it is.
   */
  readonly migrate?: (old: unknown, fromVersion: number) => T;
  /**
   * Serializers of your own that the state had before and that wrote values for `migrate`. Not needed for built-in
   * ones, nor for older versions of today's serializer that it reads itself.
   */
  readonly previousSerializers?: readonly Serializer<unknown>[];
}

/** Reads values that one writer has written. */
interface OldValues {
  readonly written: SerializerSnapshot;
  readonly read: (input: ByteReader) => unknown;
}

/** The serializer of a state that is declared with a version. */
export class SchemaSerializer<T> implements Serializer<T> {
  readonly id: string;
  readonly version: number;
  readonly schemaVersion: number;
  readonly immutable: boolean;
  private old: OldValues | undefined;

  /**
   * @param inner Writes and reads the bytes.
   * @param options `version` is set.
   * @param takesNull Whether null is a value of the state.
   */
  constructor(
    private readonly inner: Serializer<T>,
    private readonly options: SchemaOptions<T> & { readonly version: number },
    private readonly takesNull: boolean,
  ) {
    this.id = inner.id;
    this.version = inner.version;
    this.schemaVersion = options.version;
    this.immutable = inner.immutable;
  }

  /** Whether older values are wanted at all. */
  get hasMigrate(): boolean {
    return this.options.migrate !== undefined;
  }

  write(value: T, out: ByteWriter): void {
    this.inner.write(value, out);
  }

  read(input: ByteReader): T {
    return this.inner.read(input);
  }

  check(value: T, where: string): void {
    this.inner.check?.(value, where);
  }

  compatibilityWith(previous: SerializerSnapshot): Compatibility {
    if (previous.schemaVersion === this.schemaVersion) {
      const answer = this.inner.compatibilityWith(ofSchema(this.inner, previous));
      return answer === "reconfigured" && this.inner.reconfigure === undefined ? "incompatible" : answer;
    }
    if (previous.schemaVersion > this.schemaVersion || !this.hasMigrate) return "incompatible";
    return this.readerOfOld(previous) === undefined ? "incompatible" : "migrate";
  }

  /** Only after the answer "reconfigured", so the inner serializer can. */
  reconfigure(previous: SerializerSnapshot): Serializer<T> {
    const inner = this.inner.reconfigure!(ofSchema(this.inner, previous));
    return new SchemaSerializer(inner, this.options, this.takesNull);
  }

  migrate(input: ByteReader, previous: SerializerSnapshot): T {
    const old = this.readerOfOld(previous)!.read(input); // compatibilityWith has found it
    if (previous.schemaVersion === this.schemaVersion) return old as T; // the inner serializer has read it as its own
    if (input.position !== input.end) input.fail("a value goes on after its end");
    return this.bringUp(old, previous.schemaVersion);
  }

  private bringUp(old: unknown, fromVersion: number): T {
    const { options, takesNull } = this;
    const step = `migrate() from schema version ${fromVersion} to ${options.version}`;
    let value: T;
    try {
      value = options.migrate!(old, fromVersion);
    } catch (error) {
      throw new StreamError("invalid", `${step} has failed with "${messageOf(error)}"`, { cause: error });
    }
    if (value === undefined || (value === null && !takesNull)) {
      throw new StreamError("invalid", `${step} has returned ${value}, it must return a value`);
    }
    return value;
  }

  /** How values of `previous` are read, before the state's migrate() sees them; undefined when nothing can. */
  private readerOfOld(previous: SerializerSnapshot): OldValues | undefined {
    const { old } = this;
    if (old !== undefined && isSame(old.written, previous)) return old;
    const candidates: readonly (Serializer<unknown> | undefined)[] = previous.schemaVersion === this.schemaVersion
      ? [this.inner]
      : [this.inner, ...this.options.previousSerializers ?? [], builtInSerializer(previous.id, previous.version)];
    for (const candidate of candidates) {
      const read = candidate === undefined ? undefined : readWith(candidate, ofSchema(candidate, previous));
      if (read !== undefined) return this.old = { written: previous, read };
    }
    return undefined;
  }
}

function readWith(
  serializer: Serializer<unknown>,
  previous: SerializerSnapshot,
): ((input: ByteReader) => unknown) | undefined {
  switch (serializer.compatibilityWith(previous)) {
    case "as-is":
      return (input) => serializer.read(input);
    case "migrate":
      return serializer.migrate === undefined ? undefined : (input) => serializer.migrate!(input, previous);
    case "reconfigured": {
      const reconfigured = serializer.reconfigure?.(previous);
      return reconfigured === undefined ? undefined : (input) => reconfigured.read(input);
    }
    case "incompatible":
      return undefined;
  }
}

/** The question about the format of the bytes alone. */
function ofSchema({ schemaVersion = 1 }: Serializer<unknown>, previous: SerializerSnapshot): SerializerSnapshot {
  return { ...previous, schemaVersion };
}

function isSame(left: SerializerSnapshot, right: SerializerSnapshot): boolean {
  return left.id === right.id && left.version === right.version && left.schemaVersion === right.schemaVersion;
}

/** How a state is declared, for the check of its options. */
export interface DeclaredSchema<T> extends SchemaOptions<T> {
  readonly serializer?: Serializer<T>;
}

/**
 * The serializer of a state's descriptor.
 *
 * @param takesNull Whether null is a value of the state.
 * @returns Undefined when the options say nothing: values choose.
 * @throws {RangeError} If `version` is no integer ≥ 1. @throws {TypeError} If `migrate` could never be called.
 */
export function declaredSerializer<T>(
  name: string,
  options: DeclaredSchema<T>,
  takesNull: boolean,
): Serializer<T> | undefined {
  const { version = 1, migrate, previousSerializers, serializer } = options;
  if (!Number.isSafeInteger(version) || version < 1 || version >= VERSION_LIMIT) {
    throw new RangeError(
      `Cannot declare state "${name}": its version is ${version}, it must be an integer from 1 to ${VERSION_LIMIT - 1}`,
    );
  }
  if (migrate !== undefined && typeof migrate !== "function") {
    throw new TypeError(`Cannot declare state "${name}": migrate is of type ${typeof migrate}, it must be a function`);
  }
  if (version === 1) {
    if (migrate === undefined && previousSerializers === undefined) return serializer;
    throw new TypeError(
      `Cannot declare state "${name}": it has ${migrate === undefined ? "previousSerializers" : "migrate()"} but ` +
        `version 1, below which there is none; raise version to that of the values of today`,
    );
  }
  return new SchemaSerializer(serializer ?? auto<T>(), { ...options, version }, takesNull);
}
