/**
 * Reads the arguments of a pipeline script: flags of the engine and flags of the script itself.
 *
 * Called by: the stream environment; control/config_sources.ts takes the engine's part from here.
 * Calls: control/script_options.ts, `node:util`.
 *
 * @module
 */
import { parseArgs } from "node:util";
import { nearestName } from "../core/nearest_name.ts";
import { DEFAULT_PARALLELISM, IGNORE_UNCLAIMED_STATE, RECOVERY_PATH } from "../runtime/options.ts";
import {
  flagOf,
  readScriptArguments,
  type ScriptArguments,
  type ScriptOption,
  type ScriptOptions,
  wantedOf,
} from "./script_options.ts";
import { UsageError } from "./usage_error.ts";

/** What the arguments say. */
export interface CommandLine<S extends ScriptOptions> {
  /** Values of the script's own flags. */
  readonly scriptArgs: ScriptArguments<S>;
  /** Option key → value, of `-Dkey=value` and the flags that are short for an option; a later one wins. */
  readonly entries: Readonly<Record<string, string>>;
  /** File named by `--config`; undefined when the flag is absent. */
  readonly configPath: string | undefined;
  /** Whether `--help` was given; {@link helpText} is what to print. */
  readonly help: boolean;
  /** Whether `--stack` was given: a failure is shown with everything that there is to know. */
  readonly stack: boolean;
  /** Whether `--check` was given: the script says whether it would restore, and does not run. */
  readonly check: boolean;
}

interface EngineFlag {
  readonly type: "string" | "boolean";
  readonly short?: string;
  readonly multiple?: true;
  /** How `--help` writes it. */
  readonly usage: string;
  readonly description: string;
}

const ENGINE_FLAGS: Readonly<Record<string, EngineFlag>> = {
  from: {
    type: "string",
    usage: "--from latest|PATH",
    description: "go on where this job stopped, or start from a checkpoint",
  },
  "allow-non-restored-state": {
    type: "boolean",
    usage: "--allow-non-restored-state",
    description: "drop what --from holds of operators that this pipeline does not have",
  },
  parallelism: {
    type: "string",
    short: "p",
    usage: "-p, --parallelism N",
    description: "parallel subtasks of each operator that does not set its own",
  },
  config: {
    type: "string",
    usage: "--config FILE",
    description: "configuration file instead of weir.yaml, if there is one",
  },
  define: {
    type: "string",
    short: "D",
    multiple: true,
    usage: "-DKEY=VALUE",
    description: "any option; may be repeated",
  },
  stack: {
    type: "boolean",
    usage: "--stack",
    description: "show the whole stack of a failure, not only the lines of the script",
  },
  check: {
    type: "boolean",
    usage: "--check",
    description: "only say whether this pipeline would restore from what --from names; exit code 0 or 1",
  },
  help: { type: "boolean", short: "h", usage: "-h, --help", description: "this text" },
};

/** `-D` has no long form: `--define` would be unknown. */
const DEFINE = "define";

/**
 * Reads the arguments of a script.
 *
 * @param argv Arguments after the name of the script, as in `process.argv.slice(2)`.
 * @param options The script's own flags.
 * @throws {UsageError} For an unknown flag (with the nearest one), a missing value, a stray argument or an ill-typed value.
 * @throws {TypeError} If the script declares a flag that the engine has.
 */
export function readCommandLine<S extends ScriptOptions>(argv: readonly string[], options: S): CommandLine<S> {
  const flags = scriptFlags(options);
  const given = new Map<string, string | undefined>();
  const entries: Record<string, string> = {};
  for (const token of tokensOf(argv, flags)) {
    if (token.kind === "option-terminator") continue;
    if (token.kind === "positional") throw new UsageError(strayArgument(token.value));
    const { name, rawName } = token;
    const long = rawName.startsWith("--");
    if (!(Object.hasOwn(ENGINE_FLAGS, name) || flags.has(name)) || (name === DEFINE && long)) {
      throw new UsageError(unknownFlag(rawName, flags));
    }
    const takesValue = flags.get(name)?.type !== "boolean" && ENGINE_FLAGS[name]?.type !== "boolean";
    const swallowed = token.inlineValue === false && token.value?.startsWith("--") === true;
    if (takesValue && (token.value === undefined || swallowed)) {
      throw new UsageError(`Cannot use ${rawName}: it needs a value; see --help`);
    }
    if (ENGINE_FLAGS[name]?.type === "boolean" && token.value !== undefined) {
      throw new UsageError(`Cannot use ${rawName}=${token.value}: it takes no value; leave the flag out to say no`);
    }
    if (name === DEFINE) addDefinition(token.value ?? "", entries);
    else if (name === "from") entries[RECOVERY_PATH.key] = token.value ?? "";
    else if (name === "allow-non-restored-state") entries[IGNORE_UNCLAIMED_STATE.key] = "true";
    else if (name === "parallelism") entries[DEFAULT_PARALLELISM.key] = token.value ?? "";
    else given.set(name, token.value);
  }
  const help = given.has("help");
  return {
    // Help is shown whatever else is wrong with the values.
    scriptArgs: readScriptArguments(options, help ? new Map() : given),
    entries,
    configPath: given.get("config"),
    help,
    stack: given.has("stack"),
    check: given.has("check"),
  };
}

/** What `--help` prints: the script's flags, the engine's, where the rest is described. */
export function helpText(scriptName: string, options: ScriptOptions): string {
  const own = Object.entries(options).map((
    [name, option],
  ) => [`--${flagOf(name)}${placeholder(option)}`, about(option)]);
  const engine = Object.values(ENGINE_FLAGS).map(({ usage, description }) => [usage, description]);
  const width = Math.max(...[...own, ...engine].map(([usage = ""]) => usage.length)) + 2;
  const lines = (rows: string[][]) => rows.map(([usage = "", text = ""]) => `  ${usage.padEnd(width)}${text}`);
  return [
    `Usage: ${scriptName} [flags]`,
    "",
    ...(own.length === 0 ? [] : ["Flags of this script:", ...lines(own), ""]),
    "Flags of every pipeline:",
    ...lines(engine),
    "",
    "Options can also be set in weir.yaml and as environment variables (WEIR_PARALLELISM_DEFAULT=4).",
    "All of them: docs/configuration.md",
  ].join("\n");
}

function scriptFlags(options: ScriptOptions): ReadonlyMap<string, ScriptOption> {
  const flags = new Map<string, ScriptOption>();
  for (const [name, option] of Object.entries(options)) {
    const flag = flagOf(name);
    if (Object.hasOwn(ENGINE_FLAGS, flag)) {
      throw new TypeError(
        `Cannot declare script option "${name}": --${flag} belongs to the engine; choose another name`,
      );
    }
    flags.set(flag, option);
  }
  return flags;
}

type Token =
  | { readonly kind: "option-terminator" }
  | { readonly kind: "positional"; readonly value: string }
  | {
    readonly kind: "option";
    readonly name: string;
    /** As it was written: `--from`, `-D`. */
    readonly rawName: string;
    readonly value: string | undefined;
    /** Whether the value belongs to the same argument: `--from=latest`. */
    readonly inlineValue: boolean | undefined;
  };

function tokensOf(argv: readonly string[], flags: ReadonlyMap<string, ScriptOption>): readonly Token[] {
  const known: Record<string, { type: "string" | "boolean"; short?: string; multiple?: true }> = {};
  for (const [name, { type, short, multiple }] of Object.entries(ENGINE_FLAGS)) {
    known[name] = { type, ...(short === undefined ? {} : { short }), ...(multiple === undefined ? {} : { multiple }) };
  }
  for (const [name, { type }] of flags) known[name] = { type: type === "boolean" ? "boolean" : "string" };
  // Not strict: what is wrong is found in the tokens, with a better message and alike on Deno and Bun.
  return parseArgs({ args: [...argv], options: known, strict: false, allowPositionals: true, tokens: true }).tokens;
}

function addDefinition(definition: string, entries: Record<string, string>): void {
  const at = definition.indexOf("=");
  if (at <= 0) {
    throw new UsageError(`Cannot use -D${definition}: it is not KEY=VALUE; write -Dparallelism.default=4`);
  }
  entries[definition.slice(0, at).trim()] = definition.slice(at + 1);
}

function unknownFlag(rawName: string, flags: ReadonlyMap<string, ScriptOption>): string {
  const long = Object.keys(ENGINE_FLAGS).filter((name) => name !== DEFINE);
  const nearest = nearestName(rawName.replace(/^-+/, ""), [...flags.keys(), ...long]);
  const hint = nearest === undefined ? "see --help" : `did you mean --${nearest}? See --help`;
  return `Cannot use ${rawName}: there is no such flag; ${hint}`;
}

function strayArgument(value: string): string {
  return `Cannot use argument "${value}": it belongs to no flag; see --help`;
}

function placeholder(option: ScriptOption): string {
  if (option.type === "boolean") return "";
  if (option.type === "number") return " N";
  return option.choices === undefined ? " TEXT" : ` ${option.choices.join("|")}`;
}

function about(option: ScriptOption): string {
  const limits = option.type === "number" && wantedOf(option) !== "a number" ? `; ${wantedOf(option)}` : "";
  const preset = option.type === "boolean" || option.default === undefined ? "" : `; ${option.default} when absent`;
  return `${option.description}${limits}${preset}`;
}
