/**
 * Loads the state backend of a user's own that the configuration names by the export of a file.
 *
 * Called by: control/stream_environment.ts, by dynamic import.
 * Calls: control/load_export.ts.
 *
 * @module
 */
import type { StateBackendFactory } from "../core/backend.ts";
import type { AnyOption, Configuration } from "../core/config.ts";
import { messageOf, StreamError } from "../core/errors.ts";
import { STATE_BACKEND } from "../runtime/options.ts";
import { isBackendChoice, isStateBackendFactory, type StateBackendChoice } from "./backend_choice.ts";
import { loadExport, type LoadPorts, productOf } from "./load_export.ts";

/** What the configuration names. */
export interface OwnBackend {
  /** Options of its own, which the configuration may have besides Weir's. */
  readonly options: readonly AnyOption[];
  /**
   * What it stands for.
   *
   * @param configuration Checked, and what an exported function or class is given.
   * @throws {StreamError} "invalid" if the function or class fails, or it is no backend.
   */
  make(configuration: Configuration): Promise<StateBackendFactory | StateBackendChoice>;
}

/**
 * Loads `./path.ts#name`: a `StateBackendFactory`, a choice (`lsmBackend(…)`), or a function or class that makes one of
 * them. A property `options`, of a class a static one, lists options of its own.
 *
 * @throws {StreamError} "invalid" if it cannot be loaded, or its options are none.
 */
export async function loadOwnBackend(reference: string, ports: Omit<LoadPorts, "option">): Promise<OwnBackend> {
  const exported = await loadExport(reference, { ...ports, option: STATE_BACKEND.key });
  const refusal = (is: string, options?: { cause: unknown }) =>
    new StreamError("invalid", `Cannot use "${reference}" for option "${STATE_BACKEND.key}": ${is}`, options);
  const { options = [] } = membersOf(exported);
  if (!isOptions(options)) throw refusal("its options are no list of options, as stringOption(…) and others make them");
  return {
    options,
    make: async (configuration) => {
      let product: unknown;
      try {
        product = await productOf(exported, configuration);
      } catch (cause) {
        throw refusal(`it fails when it is given the configuration: ${messageOf(cause)}`, { cause });
      }
      if (isStateBackendFactory(product) || isChoice(product)) return product;
      const it = typeof exported === "function" ? "what it makes" : "it";
      throw refusal(
        `${it} is ${shapeOf(product)}, must be a StateBackendFactory: an object with a name and a function create; ` +
          "export one, or a function or class that makes one",
      );
    },
  };
}

function isChoice(value: unknown): value is StateBackendChoice {
  const { origin, entries } = membersOf(value);
  // It has the members, which have just been looked at.
  return typeof origin === "string" && typeof entries === "object" && isBackendChoice(value as StateBackendChoice);
}

function isOptions(value: unknown): value is readonly AnyOption[] {
  return Array.isArray(value) && value.every((option) => {
    const { key, parse } = membersOf(option);
    return typeof key === "string" && typeof parse === "function";
  });
}

/** Members of an object, a function or a class; none of anything else. */
function membersOf(value: unknown): Readonly<Record<string, unknown>> {
  const hasMembers = (typeof value === "object" && value !== null) || typeof value === "function";
  // Whatever is asked for may be undefined.
  return hasMembers ? value as unknown as Readonly<Record<string, unknown>> : {};
}

function shapeOf(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  if (typeof value !== "object") return `a ${typeof value}`;
  return typeof membersOf(value).create === "function"
    ? "an object without a name"
    : "an object without a function create";
}
