/**
 * Makes the state backend of a user's own that the configuration names by the export of a file.
 *
 * Called by: control/stream_environment.ts, by dynamic import.
 * Calls: control/load_export.ts.
 *
 * @module
 */
import type { StateBackendFactory } from "../core/backend.ts";
import type { Configuration } from "../core/config.ts";
import { messageOf, StreamError } from "../core/errors.ts";
import { STATE_BACKEND } from "../runtime/options.ts";
import { isBackendChoice, type StateBackendChoice } from "./backend_choice.ts";
import { loadExport, type LoadPorts, productOf } from "./load_export.ts";

/**
 * What `reference` stands for: an exported `StateBackendFactory` or choice (`lsmBackend(…)`), or what an exported
 * function or class makes of the configuration.
 *
 * @throws {StreamError} "invalid" if it cannot be loaded, its function fails, or it is no such thing.
 */
export async function loadOwnBackend(
  reference: string,
  configuration: Configuration,
  ports: Omit<LoadPorts, "option">,
): Promise<StateBackendFactory | StateBackendChoice> {
  const exported = await loadExport(reference, { ...ports, option: STATE_BACKEND.key });
  const refusal = (is: string, options?: { cause: unknown }) =>
    new StreamError("invalid", `Cannot use "${reference}" for option "${STATE_BACKEND.key}": ${is}`, options);
  let product: unknown;
  try {
    product = await productOf(exported, configuration);
  } catch (cause) {
    throw refusal(`it fails when it is called with the configuration: ${messageOf(cause)}`, { cause });
  }
  if (isFactory(product) || isChoice(product)) return product;
  const it = typeof exported === "function" ? "what it returns" : "it";
  throw refusal(
    `${it} is ${shapeOf(product)}, must be a StateBackendFactory: an object with a name and a function create; ` +
      "export one, or a function or class that makes one",
  );
}

function isFactory(value: unknown): value is StateBackendFactory {
  return isObject(value) && typeof value.name === "string" && value.name !== "" && typeof value.create === "function";
}

function isChoice(value: unknown): value is StateBackendChoice {
  // An object with both members is one; they are looked at here.
  return isObject(value) && typeof value.origin === "string" && isBackendChoice(value as unknown as StateBackendChoice);
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null;
}

function shapeOf(value: unknown): string {
  if (!isObject(value)) return value === null || value === undefined ? String(value) : `a ${typeof value}`;
  if (typeof value.create !== "function") return "an object without a function create";
  return "an object without a name";
}
