/**
 * The contract of code that decides about the options of the LSM backend, and what is done with its answers.
 *
 * Called by: configured_lsm.ts, control/ (which loads one that the configuration names).
 * Calls: column_options.ts.
 *
 * @module
 */
import type { AnyOption, Configuration } from "../../core/config.ts";
import { messageOf, StreamError } from "../../core/errors.ts";
import { type ColumnOptions, columnOptions, type Partly, type StoreOptions, storeOptions } from "./column_options.ts";

/**
 * Decides about the options of the LSM backend: of each state, and of the stores. Its answers win over the
 * configuration and profiles; only memory that is shared by a slot wins over them.
 *
 * Each method is asked for the options as they would be without it, and returns those that are to be different. The
 * same question must always have the same answer.
 *
 * Source: Flink's `ConfigurableRocksDBOptionsFactory`; a state is what a column family is there.
 *
 * @example
 * ```ts
 * import { type LsmOptionsFactory, lsmBackend } from "../../mod.ts";
 * import { intOption } from "../../state_backend.ts";
 *
 * const RESTARTS = intOption("my.custom.lsm.block.restart-interval", { default: 16, min: 1, description: "Rows." });
 *
 * class MyOptions implements LsmOptionsFactory {
 *   readonly options = [RESTARTS];
 *   #restartInterval = RESTARTS.defaultValue;
 *   configure(configuration: { get(option: typeof RESTARTS): number }): void {
 *     this.#restartInterval = configuration.get(RESTARTS);
 *   }
 *   columnOptions(): { restartInterval: number } {
 *     return { restartInterval: this.#restartInterval };
 *   }
 * }
 * const backend = lsmBackend({ optionsFactory: new MyOptions() });
 * ```
 */
export interface LsmOptionsFactory {
  /** Options of its own that may be set wherever others are. */
  readonly options?: readonly AnyOption[];
  /**
   * Called once, before the other methods.
   *
   * @returns Another factory that takes the place of this one, or nothing.
   */
  configure?(configuration: ReadableConfiguration): LsmOptionsFactory | void;
  /** What to change of the options that the states of an operator have in common. */
  storeOptions?(current: StoreOptions): Partly<StoreOptions>;
  /** What to change of the options of one state; the hidden states of timers are asked for too. */
  columnOptions?(current: ColumnOptions, stateName: string): Partly<ColumnOptions>;
}

/** The values of options. */
export type ReadableConfiguration = Pick<Configuration, "get" | "has">;

const METHODS = ["configure", "storeOptions", "columnOptions"] as const;

/**
 * Checks that something is an options factory, as far as can be seen.
 *
 * @param what What it is, for the message.
 * @throws {TypeError} If it is none.
 */
export function asOptionsFactory(value: unknown, what: string): LsmOptionsFactory {
  const is = shapeOf(value);
  if (is === undefined) return value as LsmOptionsFactory; // what shapeOf has found
  throw new TypeError(
    `Cannot use ${what} as an LSM options factory: ${is}, must be an object with columnOptions, storeOptions or configure`,
  );
}

function shapeOf(value: unknown): string | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return `it is ${value === null ? "null" : Array.isArray(value) ? "a list" : `of type ${typeof value}`}`;
  }
  const methods = METHODS.map((name) => [name, Reflect.get(value, name)] as const);
  const wrong = methods.find(([, method]) => method !== undefined && typeof method !== "function");
  if (wrong !== undefined) return `its ${wrong[0]} is no function`;
  if (methods.every(([, method]) => method === undefined)) return "it has none of the methods";
  const options = Reflect.get(value, "options");
  const areOptions = options === undefined ||
    (Array.isArray(options) && options.every((option) => typeof option?.key === "string" && "parse" in option));
  return areOptions ? undefined : "its options are no list of declared options";
}

/** Hands the configuration to a factory; the one to ask from now on. @throws {StreamError} "invalid" if it fails. */
export function configuredFactory(factory: LsmOptionsFactory, configuration: Configuration): LsmOptionsFactory {
  return asked("configure()", () => {
    const other = factory.configure?.(configuration);
    return other === undefined ? factory : asOptionsFactory(other, "what it returns");
  });
}

/** The options of one state, with what the factory changes. @throws {StreamError} "invalid" if it fails or they are wrong. */
export function columnOf(factory: LsmOptionsFactory, current: ColumnOptions, stateName: string): ColumnOptions {
  return asked(`columnOptions() for state "${stateName}"`, () => {
    return columnOptions(answered(factory.columnOptions?.(current, stateName)), current);
  });
}

/** The options of a store, with what the factory changes. @throws {StreamError} "invalid" if it fails or they are wrong. */
export function storeOf(factory: LsmOptionsFactory, current: StoreOptions): StoreOptions {
  return asked("storeOptions()", () => storeOptions(answered(factory.storeOptions?.(current)), current));
}

function answered<T extends object>(answer: T | undefined): T | Record<never, never> {
  if (answer === undefined || answer === null) return {};
  if (typeof answer === "object" && !(answer instanceof Promise)) return answer;
  throw new TypeError(`it returned ${typeof answer === "object" ? "a promise" : `a ${typeof answer}`}, not options`);
}

function asked<T>(question: string, ask: () => T): T {
  try {
    return ask();
  } catch (cause) {
    throw new StreamError("invalid", `Cannot use the LSM options factory: ${question} fails: ${messageOf(cause)}`, {
      cause,
    });
  }
}
