/**
 * Declares configuration options: a key, a type, a default and a meaning, written beside the code that they configure.
 *
 * Called by: the `options.ts` of each folder; core/config.ts reads values through them.
 * Calls: core/config_units.ts, core/errors.ts.
 *
 * @module
 */
import { formatDuration, formatSize, parseDurationMs, parseSizeBytes } from "./config_units.ts";
import { StreamError } from "./errors.ts";

/** What kind of value an option takes. */
export type OptionType = "string" | "int" | "double" | "boolean" | "duration" | "size" | "enum" | "list";

/** One configuration option. Immutable. `T` holds undefined when the option has no default. */
export interface ConfigOption<T> {
  /** Dotted name, e.g. `execution.checkpointing.interval`. */
  readonly key: string;
  /** Kind of value: durations are read as milliseconds, sizes as bytes. */
  readonly type: OptionType;
  /** What {@link ConfigOption.parse} is never asked for: the value when nobody sets the option. */
  readonly defaultValue: T;
  /** One line for the reference page. */
  readonly description: string;
  /** Keys of earlier Flink versions that mean the same. */
  readonly oldNames: readonly string[];
  /** What a value must be, e.g. `a duration such as "10 min"`; for messages and the reference page. */
  readonly wanted: string;
  /** Whether the value is never shown: the key holds a password, secret, token, credential or API key. */
  readonly secret: boolean;
  /**
   * Reads a value as a person or a program gave it.
   *
   * @param raw A string, or a value of the option's type; durations are numbers of milliseconds, sizes of bytes.
   * @param origin Where it was given, for the message, e.g. `-D`.
   * @throws {StreamError} "invalid" if it is not what the option wants.
   */
  parse(raw: unknown, origin?: string): T;
  /** How a value of earlier versions is written now, with what belongs to it; undefined for all others. */
  respelled(raw: unknown): string | undefined;
  /** Spells a value as a person would write it: 600000 → `10 min`; undefined → `unset`. */
  format(value: T): string;
}

/** What every declaration says. */
export interface OptionDeclaration<V, D extends V | undefined> {
  /** Value when nobody sets the option; undefined when there is none. */
  readonly default: D;
  /** One line: what it does, and what special values mean. */
  readonly description: string;
  /** Keys of earlier Flink versions that mean the same. */
  readonly oldNames?: readonly string[];
  /** Says what a value must be when it has the right type and is still wrong; undefined accepts it. */
  readonly reject?: (value: V) => string | undefined;
}

/** A declaration of a text. */
export interface TextDeclaration<D extends string | undefined> extends OptionDeclaration<string, D> {
  /** Brings several spellings to one, before anything else looks at the value. */
  readonly normalize?: (text: string) => string;
}

/** A declaration of a number with bounds, both inclusive. */
export interface NumberDeclaration<D extends number | undefined> extends OptionDeclaration<number, D> {
  /** Smallest accepted value. */
  readonly min?: number;
  /** Largest accepted value. */
  readonly max?: number;
}

/** A declaration of a whole number. */
export interface IntDeclaration<D extends number | undefined> extends NumberDeclaration<D> {
  /** Whether "infinite" is accepted, read as Infinity. */
  readonly infinite?: boolean;
}

/** A declaration of a choice. */
export interface EnumDeclaration<V extends string, D extends V | undefined> extends OptionDeclaration<V, D> {
  /** Earlier or other spelling → value. */
  readonly oldValues?: Readonly<Record<string, V>>;
  /** Earlier spelling → value, and how to write it now: whoever uses it is told. */
  readonly respelledValues?: Readonly<Record<string, { readonly value: V; readonly now: string }>>;
  /** Values beyond those that are listed, with what to call them; they are taken as they are written. */
  readonly others?: { readonly accept: (word: string) => boolean; readonly wanted: string };
  /** Value that Flink knows and Weir does not → the reason. */
  readonly refusedValues?: Readonly<Record<string, string>>;
}

/** What a value turned out to be: read, or not with what it must be instead. */
type Reading<V> = { readonly value: V } | { readonly wanted: string };

/** A value that names an export of a file, `./path.ts#name`: it has the name of a file or of an export in it. */
export function isExportReference(value: string): boolean {
  return /^(\.{0,2}\/|file:|[a-z]:[\\/])/i.test(value) || /\.[cm]?[jt]sx?(#|$)/i.test(value);
}

/** A value that looks like a class of Java with its package: `org.apache.flink.…`. */
export function isJavaClassName(value: string): boolean {
  return /^[a-z_$][\w$]*(\.[a-z_$][\w$]*)*\.[A-Z][\w$]*$/.test(value);
}

/** Whether the value of a key may never be shown. */
export function isSecretKey(key: string): boolean {
  return /password|secret|token|credential|api[-_.]?key/i.test(key);
}

/** An option whose value is a time span: read as milliseconds from "10 min", "500 ms", "1 s", "2 h", "3 d" or a number. */
export function durationOption<D extends number | undefined>(
  key: string,
  declaration: NumberDeclaration<D>,
): ConfigOption<number | D> {
  const wanted = 'a duration such as "10 min" or "500 ms"' + bounds(declaration, formatDuration);
  return option(key, "duration", declaration, wanted, formatDuration, (raw) => {
    return inBounds(wholeQuantity(raw, parseDurationMs), declaration, wanted);
  });
}

/** An option whose value is an amount of memory: read as bytes from "64 mb", "20 kb", "1g" or a number. */
export function sizeOption<D extends number | undefined>(
  key: string,
  declaration: NumberDeclaration<D>,
): ConfigOption<number | D> {
  const wanted = 'a size such as "64 mb" or "20 kb"' + bounds(declaration, formatSize);
  return option(key, "size", declaration, wanted, formatSize, (raw) => {
    return inBounds(wholeQuantity(raw, parseSizeBytes), declaration, wanted);
  });
}

/** An option whose value is a whole number. */
export function intOption<D extends number | undefined>(
  key: string,
  declaration: IntDeclaration<D>,
): ConfigOption<number | D> {
  const or = declaration.infinite === true ? ' or "infinite"' : "";
  const wanted = "a whole number" + bounds(declaration, String) + or;
  const format = (value: number) => (value === Infinity ? "infinite" : String(value));
  return option(key, "int", declaration, wanted, format, (raw) => {
    const infinite = raw === Infinity || (typeof raw === "string" && /^infinit[ey]$/i.test(raw.trim()));
    if (infinite && declaration.infinite === true) return { value: Infinity };
    const value = readNumber(raw);
    return inBounds(Number.isSafeInteger(value) ? value : undefined, declaration, wanted);
  });
}

/** An option whose value is a number. */
export function doubleOption<D extends number | undefined>(
  key: string,
  declaration: NumberDeclaration<D>,
): ConfigOption<number | D> {
  const wanted = "a number" + bounds(declaration, String);
  return option(key, "double", declaration, wanted, String, (raw) => inBounds(readNumber(raw), declaration, wanted));
}

/** An option that is true or false. */
export function booleanOption<D extends boolean | undefined>(
  key: string,
  declaration: OptionDeclaration<boolean, D>,
): ConfigOption<boolean | D> {
  const wanted = "true or false";
  return option(key, "boolean", declaration, wanted, String, (raw) => {
    if (typeof raw === "boolean") return { value: raw };
    const word = typeof raw === "string" ? raw.trim().toLowerCase() : "";
    return word === "true" || word === "false" ? { value: word === "true" } : { wanted };
  });
}

/** An option whose value is text; a number or a boolean in a file is read as it is written. */
export function stringOption<D extends string | undefined>(
  key: string,
  declaration: TextDeclaration<D>,
): ConfigOption<string | D> {
  const wanted = "a text";
  const { normalize = (text: string) => text } = declaration;
  return option(key, "string", declaration, wanted, String, (raw) => {
    return typeof raw === "string" || typeof raw === "number" || typeof raw === "boolean"
      ? { value: normalize(String(raw)) }
      : { wanted };
  });
}

/** An option whose value is one of `values`; case does not matter, nor whether words are joined by `-` or `_`. */
export function enumOption<V extends string, D extends V | undefined>(
  key: string,
  values: readonly V[],
  declaration: EnumDeclaration<V, D>,
): ConfigOption<V | D> {
  const { oldValues = {}, respelledValues = {}, others } = declaration;
  const listed = values.length === 1 ? `${values[0]}` : `one of ${values.join(", ")}`;
  const wanted = others === undefined ? listed : `${listed}, or ${others.wanted}`;
  const accepted = new Map<string, V>(values.map((value) => [folded(value), value]));
  for (const [word, value] of Object.entries(oldValues)) accepted.set(folded(word), value);
  const respelled = new Map<string, string>();
  for (const [word, { value, now }] of Object.entries(respelledValues)) {
    accepted.set(folded(word), value);
    respelled.set(folded(word), now);
  }
  const refused = new Map(
    Object.entries(declaration.refusedValues ?? {}).map(([word, reason]) => [folded(word), reason]),
  );
  const wordOf = (raw: unknown) => (typeof raw === "string" ? folded(raw.trim()) : "");
  const read = (raw: unknown): Reading<V> => {
    const value = accepted.get(wordOf(raw));
    if (value !== undefined) return { value };
    // Whoever declares others takes texts.
    if (typeof raw === "string" && others?.accept(raw.trim()) === true) return { value: raw.trim() as V };
    const reason = refused.get(wordOf(raw));
    return { wanted: reason === undefined ? wanted : `${wanted} (${reason})` };
  };
  return option<V, D>(key, "enum", declaration, wanted, String, read, (raw) => respelled.get(wordOf(raw)));
}

/** An option whose value is a list of texts: an array, or one text with `;` or `,` between the elements. */
export function listOption<D extends readonly string[] | undefined>(
  key: string,
  declaration: OptionDeclaration<readonly string[], D>,
): ConfigOption<readonly string[] | D> {
  const wanted = 'a list such as "a;b"';
  return option<readonly string[], D>(key, "list", declaration, wanted, (value) => value.join(";"), (raw) => {
    if (typeof raw === "string") {
      return { value: raw.split(/[;,]/).map((part) => part.trim()).filter((part) => part !== "") };
    }
    if (!Array.isArray(raw)) return { wanted };
    const parts: string[] = [];
    for (const part of raw) {
      if (typeof part !== "string" && typeof part !== "number" && typeof part !== "boolean") return { wanted };
      parts.push(String(part));
    }
    return { value: parts };
  });
}

function option<V, D extends V | undefined>(
  key: string,
  type: OptionType,
  declaration: OptionDeclaration<V, D>,
  wanted: string,
  format: (value: V) => string,
  read: (raw: unknown) => Reading<V>,
  respelled: (raw: unknown) => string | undefined = () => undefined,
): ConfigOption<V | D> {
  const secret = isSecretKey(key);
  return Object.freeze({
    key,
    type,
    defaultValue: declaration.default,
    description: declaration.description,
    oldNames: Object.freeze([...declaration.oldNames ?? []]),
    wanted,
    secret,
    parse(raw: unknown, origin: string = "code"): V {
      const reading = read(raw);
      const must = "wanted" in reading ? reading.wanted : declaration.reject?.(reading.value);
      if ("value" in reading && must === undefined) return reading.value;
      const is = secret ? "" : `value is ${shown(raw)}, `;
      throw new StreamError(
        "invalid",
        `Cannot use option "${key}" from ${origin}: ${is}must be ${must}; see docs/configuration.md`,
      );
    },
    respelled,
    format(value: V | D): string {
      return value === undefined ? "unset" : format(value);
    },
  });
}

function folded(word: string): string {
  return word.toLowerCase().replaceAll("_", "-");
}

function readNumber(raw: unknown): number | undefined {
  if (typeof raw === "number") return Number.isFinite(raw) ? raw : undefined;
  if (typeof raw !== "string" || !/^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(raw.trim())) return undefined;
  return Number(raw);
}

function wholeQuantity(raw: unknown, parse: (text: string) => number | undefined): number | undefined {
  if (typeof raw === "number") return Number.isSafeInteger(raw) ? raw : undefined;
  return typeof raw === "string" ? parse(raw) : undefined;
}

function inBounds(
  value: number | undefined,
  { min = -Infinity, max = Infinity }: { readonly min?: number; readonly max?: number },
  wanted: string,
): Reading<number> {
  return value !== undefined && value >= min && value <= max ? { value } : { wanted };
}

function bounds(
  { min, max }: { readonly min?: number; readonly max?: number },
  format: (value: number) => string,
): string {
  if (min !== undefined && max !== undefined) return ` in ${format(min)} .. ${format(max)}`;
  if (min !== undefined && min !== 0) return ` of at least ${format(min)}`;
  if (min !== undefined) return ", not negative";
  return max === undefined ? "" : ` of at most ${format(max)}`;
}

function shown(raw: unknown): string {
  if (typeof raw === "string") return `"${raw}"`;
  if (typeof raw === "number" || typeof raw === "boolean" || raw === null || raw === undefined) return String(raw);
  return Array.isArray(raw) ? "a list" : `of type ${typeof raw}`;
}
