/**
 * Holds configured values in layers, so that code wins over `-Dkey=value`, that over the environment, that over the
 * file, and each knows where it came from.
 *
 * Called by: control/ (makes one), runtime/ (asks it); options are declared in the `options.ts` of each folder.
 * Calls: core/config_option.ts, core/nearest_name.ts, core/errors.ts.
 *
 * Invariants:
 * - layers never change after they are made; only the notices about old names grow;
 * - a secret value is only ever returned by `get`.
 *
 * @module
 */
import { type ConfigOption, isSecretKey } from "./config_option.ts";
import { StreamError } from "./errors.ts";
import { nearestName } from "./nearest_name.ts";

/** An option of any type, as lists of options hold them. */
export type AnyOption = ConfigOption<unknown>;

/** Keys that Flink has and Weir does not. */
export interface RefusedKeys {
  /** A key, or its start followed by `*`. */
  readonly keyPattern: string;
  /** Why, and what to do instead. */
  readonly reason: string;
  /** Values, in lower case, with which nothing is asked for that Weir does not do anyway: they are accepted. */
  readonly unless?: readonly string[];
  /** Whether the key is only passed over, with a notice: it is about what does not exist here, and no result depends on it. */
  readonly isIgnored?: true;
}

/** One configured value as it may be shown to anyone. */
export interface ShownEntry {
  /** As it was given, perhaps an old name. */
  readonly key: string;
  /** The value as it was given, or `******`. */
  readonly value: string;
  /** Where it was given, e.g. `environment`. */
  readonly origin: string;
}

/** More old names than this of one place are told in one line. */
const MOST_RENAMED_LINES = 3;

/** What to tell the user, each thing once. */
class Notices {
  readonly #lines = new Set<string>();
  /** Place → old name → new name. */
  readonly #renamed = new Map<string, Map<string, string>>();

  add(line: string): void {
    this.#lines.add(line);
  }

  addRenamed(origin: string, name: string, key: string): void {
    const names = this.#renamed.get(origin) ?? new Map<string, string>();
    this.#renamed.set(origin, names.set(name, key));
  }

  addAll(others: Notices): void {
    for (const line of others.#lines) this.#lines.add(line);
    for (const [origin, names] of others.#renamed) {
      for (const [name, key] of names) this.addRenamed(origin, name, key);
    }
  }

  lines(): string[] {
    const renamed = [...this.#renamed].flatMap(([origin, names]) => {
      if (names.size <= MOST_RENAMED_LINES) {
        return [...names].map(([name, key]) => `Option "${name}" (${origin}) has a new name: "${key}"`);
      }
      return `Options of ${origin} that have new names: ${
        [...names].map(([name, key]) => `${name} → ${key}`).join(", ")
      }`;
    });
    return [...this.#lines, ...renamed];
  }
}

/** Values that came from the same place. */
interface Layer {
  readonly origin: string;
  readonly entries: ReadonlyMap<string, unknown>;
}

/** A value with where it came from and the name under which it was given. */
interface Found {
  readonly raw: unknown;
  readonly name: string;
  readonly origin: string;
}

/**
 * Configured values. Immutable.
 *
 * @example
 * ```ts
 * import { Configuration } from "./config.ts";
 * import { durationOption } from "./config_option.ts";
 *
 * const TIMEOUT = durationOption("demo.timeout", { default: 10_000, description: "Longest wait." });
 * const configuration = Configuration.of({ "demo.timeout": "2 min" }, 'file "weir.yaml"');
 * if (configuration.get(TIMEOUT) !== 120_000) throw new Error("unreachable");
 * ```
 */
export class Configuration {
  /** Highest precedence first. */
  readonly #layers: readonly Layer[];
  /** Shared with every configuration that is made from this one. */
  readonly #notices: Notices;

  private constructor(layers: readonly Layer[], notices: Notices) {
    this.#layers = layers;
    this.#notices = notices;
  }

  /** A configuration of one layer. Entries whose value is undefined are left out. @param origin Where they came from. */
  static of(entries: Readonly<Record<string, unknown>>, origin = "code"): Configuration {
    return new Configuration([layerOf(entries, origin)], new Notices());
  }

  /** The same with more entries, which win over those that are there. */
  with(entries: Readonly<Record<string, unknown>>, origin = "code"): Configuration {
    return new Configuration([layerOf(entries, origin), ...this.#layers], this.#notices);
  }

  /** The same with another configuration below it: its values count where this one has none. */
  over(lower: Configuration): Configuration {
    this.#notices.addAll(lower.#notices);
    return new Configuration([...this.#layers, ...lower.#layers], this.#notices);
  }

  /**
   * The value of an option: that of the highest layer that has it, under its key or an old name, else the default.
   *
   * @throws {StreamError} "invalid" if the value is not what the option wants.
   */
  get<T>(option: ConfigOption<T>): T {
    const found = this.#find(option);
    if (found === undefined) return option.defaultValue;
    const now = option.respelled(found.raw);
    if (now !== undefined) {
      this.#notices.add(
        `Option "${found.name}: ${text(found.raw)}" (${found.origin}) is written otherwise now: ${now}`,
      );
    } else if (found.name !== option.key) {
      this.#notices.addRenamed(found.origin, found.name, option.key);
    }
    return option.parse(found.raw, found.origin);
  }

  /** Whether anybody has set the option. */
  has<T>(option: ConfigOption<T>): boolean {
    return this.#find(option) !== undefined;
  }

  /** The value of an option as it was given, unchecked; undefined when nobody has set it. */
  rawOf<T>(option: ConfigOption<T>): unknown {
    return this.#find(option)?.raw;
  }

  /** Where the value of an option came from; `default` when nobody has set it. */
  originOf<T>(option: ConfigOption<T>): string {
    return this.#find(option)?.origin ?? "default";
  }

  /** What to tell the user once: what was found in old spellings so far, and what is passed over. */
  get notices(): readonly string[] {
    return this.#notices.lines();
  }

  /** Adds a line to what the user is told. */
  note(notice: string): void {
    this.#notices.add(notice);
  }

  /** Every value that is set, in order of key, secrets masked. */
  shown(): readonly ShownEntry[] {
    const entries = new Map<string, ShownEntry>();
    for (const { origin, entries: given } of this.#layers) {
      for (const [key, raw] of given) {
        if (!entries.has(key)) entries.set(key, { key, value: isSecretKey(key) ? "******" : text(raw), origin });
      }
    }
    return [...entries.values()].sort((left, right) => (left.key < right.key ? -1 : 1));
  }

  /**
   * Checks that every key is one of `options` and that every value is what its option wants; also those that a higher
   * layer hides. Keys of `refused` that are only ignored become a notice, one for each place.
   *
   * @throws {StreamError} "invalid", with one line for each thing that is wrong.
   */
  checkKnown(options: readonly AnyOption[], refused: readonly RefusedKeys[] = []): void {
    const byName = new Map<string, AnyOption>();
    for (const option of options) {
      for (const name of [...option.oldNames, option.key]) byName.set(name, option);
    }
    const problems: string[] = [];
    for (const { origin, entries } of this.#layers) {
      const ignored = new Map<string, string[]>();
      for (const [key, raw] of entries) {
        const rule = byName.has(key) ? undefined : ruleOf(key, refused);
        if (rule?.isIgnored) ignored.set(rule.reason, [...ignored.get(rule.reason) ?? [], key]);
        else if (rule?.unless === undefined || !rule.unless.includes(text(raw).trim().toLowerCase())) {
          const problem = problemOf(key, raw, origin, byName, rule);
          if (problem !== undefined) problems.push(problem);
        }
      }
      if (ignored.size > 0) this.note(ignoredText(origin, ignored));
    }
    if (problems.length > 0) throw new StreamError("invalid", problems.join("\n"));
    // Asking once for each option collects the notices about old names.
    for (const option of options) this.get(option);
  }

  #find<T>(option: ConfigOption<T>): Found | undefined {
    for (const { origin, entries } of this.#layers) {
      for (const name of [option.key, ...option.oldNames]) {
        if (entries.has(name)) return { raw: entries.get(name), name, origin };
      }
    }
    return undefined;
  }
}

function problemOf(
  key: string,
  raw: unknown,
  origin: string,
  byName: ReadonlyMap<string, AnyOption>,
  refusal: RefusedKeys | undefined,
): string | undefined {
  const option = byName.get(key);
  if (option !== undefined) {
    try {
      option.parse(raw, key === option.key ? origin : `${origin}, where it is called "${key}"`);
      return undefined;
    } catch (error) {
      if (error instanceof StreamError) return error.message;
      throw error;
    }
  }
  if (refusal !== undefined) return `Cannot use option "${key}" from ${origin}: ${refusal.reason}`;
  const nearest = nearestName(key, byName.keys());
  const wanted = nearest === undefined ? undefined : byName.get(nearest)?.wanted;
  const hint = nearest === undefined ? "see docs/configuration.md" : `did you mean "${nearest}" (${wanted})?`;
  return `Cannot use option "${key}" from ${origin}: there is no such option; ${hint}`;
}

/** The first that fits counts. */
function ruleOf(key: string, rules: readonly RefusedKeys[]): RefusedKeys | undefined {
  return rules.find(({ keyPattern }) =>
    keyPattern.endsWith("*") ? key.startsWith(keyPattern.slice(0, -1)) : key === keyPattern
  );
}

function ignoredText(origin: string, keysByReason: ReadonlyMap<string, readonly string[]>): string {
  const parts = [...keysByReason].map(([reason, keys]) => `${keys.join(", ")} (${reason})`);
  return `Options of ${origin} that are passed over: ${parts.join("; ")}`;
}

function layerOf(entries: Readonly<Record<string, unknown>>, origin: string): Layer {
  return { origin, entries: new Map(Object.entries(entries).filter(([, value]) => value !== undefined)) };
}

function text(raw: unknown): string {
  return Array.isArray(raw) ? raw.join(";") : String(raw);
}
