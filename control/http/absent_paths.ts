/**
 * Paths that Flink has and this API has not, each with the reason that a client is told.
 *
 * Called by: control/http/api.ts.
 * Calls: nothing.
 *
 * @module
 */

const NO_JARS = "There are no jars: a job is a script that is run with deno or bun";
const NO_DATASETS = "There are no cached datasets: jobs are streams";
const FIXED_PARALLELISM =
  "A running job keeps its parallelism; stop it with a savepoint and start it again with another";
const ONE_PROCESS = "A job runs within the process of its script; there is nothing to submit it to";

/** Start of a path → why it is not there. The first that fits counts. */
const ABSENT: readonly { readonly path: RegExp; readonly reason: string }[] = [
  { path: /^\/jars(\/|$)/, reason: NO_JARS },
  { path: /^\/datasets(\/|$)/, reason: NO_DATASETS },
  {
    path: /^\/jobs\/[^/]+\/yarn-(cancel|stop)$/,
    reason: "A GET must not change anything; use PATCH /jobs/:jobid?mode=cancel",
  },
  { path: /^\/jobs\/[^/]+\/rescaling(\/|$)/, reason: FIXED_PARALLELISM },
  { path: /^\/jobs\/[^/]+\/clientHeartbeat$/, reason: "A job does not depend on the client that looks at it" },
  { path: /^\/jobs\/[^/]+\/vertices\/[^/]+\/flamegraph$/, reason: "There is no profiler; use that of the runtime" },
  {
    path: /^\/(jobmanager|taskmanagers\/[^/]+)\/logs\/|^\/jobs\/[^/]+\/(jobmanager|taskmanagers\/[^/]+)\/log-url$/,
    reason: "Logs are not kept: they go to standard error of the process",
  },
  {
    path: /^\/(jobmanager|taskmanagers\/[^/]+)\/profiler(\/|$)/,
    reason: "There is no profiler; use that of the runtime",
  },
];

/** Why a path that Flink has is not there; undefined when Flink has none either. */
export function reasonOfAbsence(method: string, path: string): string | undefined {
  if (method === "POST" && path === "/jobs") return ONE_PROCESS;
  if (method === "PUT" && path.endsWith("/resource-requirements")) return FIXED_PARALLELISM;
  return ABSENT.find((entry) => entry.path.test(path))?.reason;
}
