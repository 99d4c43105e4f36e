/** Chooses how much work a test does: `deno task test:long` sets WEIR_TEST_LONG=1, `deno task test` does not. */
import process from "node:process";

/** True when the long counts are asked for. */
export const longRun: boolean = process.env["WEIR_TEST_LONG"] === "1";

/**
 * Picks the size of a test.
 *
 * @param short Used by `deno task test`; small enough for the whole suite to end in four minutes.
 * @param long Used by `deno task test:long`.
 */
export function scaled<T>(short: T, long: T): T {
  return longRun ? long : short;
}
