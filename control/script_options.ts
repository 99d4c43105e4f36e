/**
 * Declares and reads the flags that a pipeline script has of its own, like `--rate 2000`.
 *
 * Called by: control/command_line.ts.
 * Calls: control/usage_error.ts.
 *
 * @module
 */
import { UsageError } from "./usage_error.ts";

/** A flag whose value is text. */
export interface StringScriptOption {
  /** Discriminant. */
  readonly type: "string";
  /** Value when the flag is absent; undefined when there is none. */
  readonly default?: string;
  /** One line for `--help`. */
  readonly description: string;
  /** The only values accepted. */
  readonly choices?: readonly string[];
}

/** A flag whose value is a finite number. */
export interface NumberScriptOption {
  /** Discriminant. */
  readonly type: "number";
  /** Value when the flag is absent; undefined when there is none. */
  readonly default?: number;
  /** One line for `--help`. */
  readonly description: string;
  /** Smallest accepted value. */
  readonly min?: number;
  /** Largest accepted value. */
  readonly max?: number;
}

/** A flag without a value: false when absent. */
export interface BooleanScriptOption {
  /** Discriminant. */
  readonly type: "boolean";
  /** One line for `--help`. */
  readonly description: string;
}

/** A flag of a script. */
export type ScriptOption = StringScriptOption | NumberScriptOption | BooleanScriptOption;

/** Name → flag. `outputFolder` is written `--output-folder`. */
export type ScriptOptions = Readonly<Record<string, ScriptOption>>;

/** What a script's flag turned out to be; undefined when it is absent and has no default. */
export type ScriptArgument<O extends ScriptOption> = O extends BooleanScriptOption ? boolean
  : O extends NumberScriptOption ? (O extends { readonly default: number } ? number : number | undefined)
  : O extends { readonly default: string } ? string
  : string | undefined;

/** Name → value of each flag of a script. */
export type ScriptArguments<S extends ScriptOptions> = { readonly [K in keyof S]: ScriptArgument<S[K]> };

/** The flag of an option without its dashes: `outputFolder` → `output-folder`. */
export function flagOf(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/**
 * The values of a script's flags.
 *
 * @param given Flag (without dashes) → text, undefined for a flag without a value.
 * @throws {UsageError} If a value is not what its option wants.
 */
export function readScriptArguments<S extends ScriptOptions>(
  options: S,
  given: ReadonlyMap<string, string | undefined>,
): ScriptArguments<S> {
  const values: Record<string, unknown> = {};
  for (const [name, option] of Object.entries(options)) {
    const flag = flagOf(name);
    values[name] = given.has(flag) ? readArgument(flag, option, given.get(flag)) : absent(option);
  }
  // Each name has just been given a value of its option's type.
  return Object.freeze(values) as ScriptArguments<S>;
}

function absent(option: ScriptOption): unknown {
  return option.type === "boolean" ? false : option.default;
}

function readArgument(flag: string, option: ScriptOption, text: string | undefined): unknown {
  if (option.type === "boolean") {
    if (text === undefined || text === "true") return true;
    if (text === "false") return false;
    throw new UsageError(`Cannot use --${flag}: value is "${text}", the flag stands alone`);
  }
  if (text === undefined) throw new UsageError(`Cannot use --${flag}: it needs a value, ${wantedOf(option)}`);
  if (option.type === "string") {
    if (option.choices === undefined || option.choices.includes(text)) return text;
  } else {
    const value = text.trim() === "" ? NaN : Number(text);
    if (Number.isFinite(value) && value >= (option.min ?? -Infinity) && value <= (option.max ?? Infinity)) return value;
  }
  throw new UsageError(`Cannot use --${flag}: value is "${text}", must be ${wantedOf(option)}`);
}

/** What the value of a flag must be, for messages and `--help`. */
export function wantedOf(option: ScriptOption): string {
  if (option.type === "boolean") return "";
  if (option.type === "string") return option.choices === undefined ? "a text" : `one of ${option.choices.join(", ")}`;
  const { min, max } = option;
  if (min !== undefined && max !== undefined) return `a number in ${min} .. ${max}`;
  if (min !== undefined) return `a number of at least ${min}`;
  return max === undefined ? "a number" : `a number of at most ${max}`;
}
