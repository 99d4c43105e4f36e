/**
 * Says which version answers, in the words that clients of Flink expect.
 *
 * Called by: control/http/cluster_routes.ts, control/http/openapi_document.ts.
 * Calls: nothing.
 *
 * @module
 */

/** Version of this package, as in deno.json. */
export const WEIR_VERSION = "0.1.0";

/** Version of Flink whose API this is, and who answers in truth. */
export const FLINK_VERSION: string = `1.20-weir-${WEIR_VERSION}`;
