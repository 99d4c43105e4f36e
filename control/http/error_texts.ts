/**
 * Spells errors for clients: messages with their causes for all, stack traces only for who has the token.
 *
 * Called by: control/http/api.ts, routes that tell failures.
 * Calls: control/http/serialized_throwable.ts.
 *
 * @module
 */
import { z } from "@hono/zod-openapi";
import { serializedThrowable } from "./serialized_throwable.ts";

/** A failure as part of an answer. */
export const FailureCause = z.object({
  "class": z.string(),
  "stack-trace": z.string(),
  "serialized-throwable": z.string(),
}).openapi("FailureCause");

/** Causes that are followed. */
const DEPTH = 20;

/** An error and its causes. */
function chainOf(error: unknown): unknown[] {
  const chain: unknown[] = [];
  for (let at: unknown = error; at !== undefined && at !== null && chain.length < DEPTH;) {
    chain.push(at);
    at = at instanceof Error ? at.cause : undefined;
  }
  return chain;
}

/** One text for a client: class and message of the error and of each cause; with the frames if `withStack`. */
export function stackText(error: unknown, withStack: boolean): string {
  return chainOf(error).map((one, index) => {
    const prefix = index === 0 ? "" : "Caused by: ";
    if (!(one instanceof Error)) return prefix + String(one);
    const title = `${one.name}: ${one.message}`;
    const frames = withStack ? (one.stack ?? "").split("\n").filter((line) => /^\s+at /.test(line)) : [];
    return [prefix + title, ...frames].join("\n");
  }).join("\n");
}

/** Name of the class of an error. */
export function className(error: unknown): string {
  return error instanceof Error ? error.name : typeof error;
}

/** Further texts of an unexpected error: none for a client without the token. */
export function errorTexts(error: unknown, isAuthenticated: boolean): string[] {
  return isAuthenticated ? [stackText(error, true)] : [];
}

/** A failure as part of an answer. */
export function failureCauseOf(error: unknown, withStack: boolean): z.infer<typeof FailureCause> {
  const [name, stackTrace] = [className(error), stackText(error, withStack)];
  const message = error instanceof Error ? error.message : String(error);
  return {
    "class": name,
    "stack-trace": stackTrace,
    "serialized-throwable": serializedThrowable({ className: name, message, stackTrace }),
  };
}
