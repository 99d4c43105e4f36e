/**
 * Gathers configured values from the command line, the environment and `weir.yaml`, and checks them.
 *
 * Called by: the stream environment, before a job starts.
 * Calls: core/config.ts, control/known_options.ts; the `yaml` package only when there is a file.
 *
 * @module
 */
import { LSM_OPTIONS_FACTORY } from "../backends/lsm/options.ts";
import type { LsmOptionsFactory } from "../backends/lsm/options_factory.ts";
import { type AnyOption, Configuration } from "../core/config.ts";
import { errorCode } from "../core/file_system.ts";
import { nearestName } from "../core/nearest_name.ts";
import { CHECK_VARIABLE } from "./check_request.ts";
import type { CommandLine } from "./command_line.ts";
import type { OwnBackend } from "./own_backend.ts";
import { STATE_BACKEND } from "../runtime/options.ts";
import { KNOWN_OPTIONS, REFUSED_KEYS } from "./known_options.ts";
import { asUsage, UsageError } from "./usage_error.ts";

/** The configuration file that is read when it is there and nobody names another. */
export const DEFAULT_CONFIG_PATH = "weir.yaml";

/** Environment variables of Weir start so. */
const PREFIX = "WEIR_";
/** Left to the project's own tests. */
const RESERVED_PREFIX = "WEIR_TEST_";
/** Of the command line, which people may have set for good. */
const NO_OPTIONS: readonly string[] = [CHECK_VARIABLE, "WEIR_REST_URL"];

/** Where values come from. */
export interface ConfigurationSources {
  /** What the arguments say. */
  readonly commandLine: Pick<CommandLine<Record<never, never>>, "entries" | "configPath">;
  /** Environment variables; undefined when the program may not read them. */
  readonly environment: Readonly<Record<string, string | undefined>> | undefined;
  /**
   * The content of a file; may throw what the runtime throws. Null skips the file, for lack of a permission that the
   * user has not been asked for; only for one that is not `mandatory`.
   */
  readonly readFile: (path: string, mandatory: boolean) => Promise<Uint8Array | null>;
  /** Values set in code: they win. */
  readonly code?: Readonly<Record<string, unknown>>;
  /** Options that exist; all of Weir's when absent. */
  readonly options?: readonly AnyOption[];
  /**
   * Finds what decides about the options of LSM stores, which may declare options of its own.
   *
   * @param configuration Nothing of it is checked yet; of the environment it has only the option that names a factory.
   */
  readonly findLsmFactory?: (configuration: Configuration) => Promise<LsmOptionsFactory | undefined>;
  /** Finds the user's own state backend, which may declare options of its own; the configuration is as before. */
  readonly findBackend?: (configuration: Configuration) => Promise<OwnBackend | undefined>;
}

/** A checked configuration. */
export interface LoadedConfiguration {
  /** All layers, checked. */
  readonly configuration: Configuration;
  /** Places that were not looked at, for lack of a permission. */
  readonly skipped: readonly SkippedPlace[];
  /** What `findLsmFactory` has found. */
  readonly lsmOptionsFactory?: LsmOptionsFactory | undefined;
  /** What `findBackend` has found. */
  readonly ownBackend?: OwnBackend | undefined;
}

/** A place that configuration can come from and that was not looked at. */
export interface SkippedPlace {
  /** What it is: `weir.yaml`. */
  readonly place: string;
  /** The flag of Deno that allows to look: `--allow-read=weir.yaml`. */
  readonly flag: string;
}

/**
 * Gathers and checks the configuration: code wins over the command line, that over the environment, that over the file.
 *
 * @throws {UsageError} For an unknown key, an ill-typed value, or a file that cannot be read; a line for each problem.
 */
export async function loadConfiguration(sources: ConfigurationSources): Promise<LoadedConfiguration> {
  const { commandLine, environment = {}, code = {}, options = KNOWN_OPTIONS } = sources;
  const skipped: SkippedPlace[] = [];
  const file = await readConfigurationFile(sources, skipped);
  const gather = (variables: Readonly<Record<string, string>>): Configuration =>
    Configuration.of(code, "code")
      .over(Configuration.of(commandLine.entries, "the command line"))
      .over(Configuration.of(variables, "the environment"))
      .over(file);
  const naming = [LSM_OPTIONS_FACTORY, STATE_BACKEND];
  const namingVariables = naming.flatMap(namesOf).map(environmentNameOf);
  const first = Object.fromEntries(Object.entries(environment).filter(([name]) => namingVariables.includes(name)));
  const unchecked = gather(readEnvironment(first, naming));
  const lsmOptionsFactory = await sources.findLsmFactory?.(unchecked);
  const ownBackend = await sources.findBackend?.(unchecked);
  const withFactory = withOwnOptions(options, lsmOptionsFactory?.options ?? [], "the LSM options factory");
  const known = withOwnOptions(withFactory, ownBackend?.options ?? [], "the state backend");
  const configuration = gather(readEnvironment(environment, known));
  if (sources.environment === undefined) skipped.push({ place: `${PREFIX}… variables`, flag: "--allow-env" });
  asUsage(() => configuration.checkKnown(known, REFUSED_KEYS));
  return { configuration, skipped, lsmOptionsFactory, ownBackend };
}

/** @throws {UsageError} If an option of the user's own has the name of another. */
function withOwnOptions(
  options: readonly AnyOption[],
  own: readonly AnyOption[],
  owner: string,
): readonly AnyOption[] {
  if (own.length === 0) return options;
  const taken = new Set(options.flatMap(namesOf));
  for (const name of own.flatMap(namesOf)) {
    if (taken.has(name)) {
      throw new UsageError(`Cannot use ${owner}: it declares option "${name}", which exists already`);
    }
    taken.add(name);
  }
  return [...options, ...own];
}

function namesOf({ key, oldNames }: AnyOption): readonly string[] {
  return [key, ...oldNames];
}

/** One line about the places that were not looked at; null when there are none. */
export function skippedText(skipped: readonly SkippedPlace[]): string | null {
  if (skipped.length === 0) return null;
  const flags = skipped.map(({ flag }) => flag).join(" and ");
  const places = skipped.map(({ place }) => place).join(" and ");
  const were = places === DEFAULT_CONFIG_PATH ? "was" : "were";
  return `Started without ${flags}: ${places} ${were} not looked at`;
}

/** The environment variable that sets a key: `pipeline.job-id` → `WEIR_PIPELINE_JOB_ID`. */
export function environmentNameOf(key: string): string {
  return PREFIX + key.toUpperCase().replaceAll(/[^A-Z0-9]/g, "_");
}

/**
 * The options that environment variables set; an empty variable counts as absent.
 *
 * @throws {UsageError} For a variable that starts with `WEIR_` and belongs to no option.
 */
export function readEnvironment(
  environment: Readonly<Record<string, string | undefined>>,
  options: readonly AnyOption[],
): Record<string, string> {
  const keyOf = new Map<string, string>();
  for (const { key, oldNames } of options) {
    for (const name of [...oldNames, key]) keyOf.set(environmentNameOf(name), name);
  }
  const entries: Record<string, string> = {};
  const problems: string[] = [];
  for (const [name, value] of Object.entries(environment)) {
    if (!name.startsWith(PREFIX) || name.startsWith(RESERVED_PREFIX) || NO_OPTIONS.includes(name)) continue;
    if (value === undefined || value === "") continue;
    const key = keyOf.get(name);
    if (key === undefined) problems.push(unknownVariable(name, keyOf.keys()));
    else entries[key] = value;
  }
  if (problems.length > 0) throw new UsageError(problems.join("\n"));
  return entries;
}

/**
 * The options that a parsed file sets: keys may be dotted, nested, or both. A list stays a list.
 *
 * @param origin What to call the file in messages.
 * @throws {UsageError} If the file is not a map, or says the same key twice.
 */
export function flattenEntries(content: unknown, origin: string): Record<string, unknown> {
  const entries: Record<string, unknown> = {};
  if (content === null || content === undefined || content === "") return entries;
  if (!isMap(content)) {
    throw new UsageError(`Cannot read ${origin}: it is not a map of options; write KEY: VALUE lines`);
  }
  const visit = (map: Readonly<Record<string, unknown>>, prefix: string): void => {
    for (const [name, value] of Object.entries(map)) {
      const key = prefix + name;
      if (isMap(value)) visit(value, `${key}.`);
      else if (Object.hasOwn(entries, key)) throw new UsageError(`Cannot read ${origin}: "${key}" is there twice`);
      // A key without a value is an option that is left at its default.
      else if (value !== null && value !== "") entries[key] = value;
    }
  };
  visit(content, "");
  return entries;
}

async function readConfigurationFile(sources: ConfigurationSources, skipped: SkippedPlace[]): Promise<Configuration> {
  const { commandLine, readFile } = sources;
  const path = commandLine.configPath ?? DEFAULT_CONFIG_PATH;
  const origin = `file "${path}"`;
  const bytes = await readOrSkip(path, commandLine.configPath !== undefined, readFile, skipped);
  if (bytes === null) return Configuration.of({}, origin);
  // Loaded here because it costs a third of the whole start-up.
  const { parse } = await import("@std/yaml");
  let content: unknown;
  try {
    // Failsafe: every scalar stays text as it is written, and each option reads its own type (a job id of digits too).
    content = parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes), { schema: "failsafe" });
  } catch (cause) {
    throw new UsageError(`Cannot read ${origin}: ${parseProblem(cause)}`, { cause });
  }
  return Configuration.of(flattenEntries(content, origin), origin);
}

function parseProblem(cause: unknown): string {
  // The parser looks for debug switches of its own in the environment.
  if (isDenied(cause)) return "the YAML parser asks for two environment variables; run with --allow-env";
  return cause instanceof Error ? cause.message.trim() : String(cause);
}

/** Deno's refusal, perhaps inside the file system's own error. */
function isDenied(cause: unknown): boolean {
  return cause instanceof Error && (cause.name === "NotCapable" || isDenied(cause.cause));
}

async function readOrSkip(
  path: string,
  mandatory: boolean,
  readFile: ConfigurationSources["readFile"],
  skipped: SkippedPlace[],
): Promise<Uint8Array | null> {
  try {
    const bytes = await readFile(path, mandatory);
    if (bytes === null) skipped.push(withoutPermission(path));
    return bytes;
  } catch (cause) {
    const denied = isDenied(cause);
    const missing = errorCode(cause) === "ENOENT";
    if (!mandatory && missing) return null;
    if (!mandatory && denied) {
      skipped.push(withoutPermission(path));
      return null;
    }
    const reason = denied
      ? `the permission is missing; run with --allow-read=${path}`
      : missing
      ? "there is no such file"
      : cause instanceof Error
      ? cause.message
      : String(cause);
    throw new UsageError(`Cannot read configuration file "${path}": ${reason}`, { cause });
  }
}

function withoutPermission(path: string): SkippedPlace {
  return { place: path, flag: `--allow-read=${path}` };
}

function unknownVariable(name: string, known: Iterable<string>): string {
  const refusal = REFUSED_KEYS.find(({ keyPattern }) => {
    const refused = environmentNameOf(keyPattern.replace(/\*$/, ""));
    return keyPattern.endsWith("*") ? name.startsWith(refused) : name === refused;
  });
  if (refusal !== undefined) return `Cannot use environment variable ${name}: ${refusal.reason}`;
  const nearest = nearestName(name, known);
  const hint = nearest === undefined ? "see docs/configuration.md" : `did you mean ${nearest}?`;
  return `Cannot use environment variable ${name}: no option has that name; ${hint}`;
}

function isMap(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
