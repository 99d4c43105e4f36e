/** A server that says what Flink's REST API would: two jobs, operations that take some polls. */
import type { Reply, Request } from "./cli_rig.ts";

export const ORDERS = "a".repeat(32);
export const FLIGHTS = "b".repeat(32);

/** How it behaves. */
export interface ServerScript {
  /** Polls of an operation that find it unfinished. */
  readonly polls?: number;
  /** The `operation` of a finished operation. */
  readonly operation?: unknown;
  /** Names of jobs that are there; both when absent. */
  readonly jobs?: readonly string[];
  /** Answers before the server itself does; undefined: it does. */
  readonly before?: (request: Request, count: number) => Reply | undefined;
}

/** The jobs of GET /jobs/overview. */
export const OVERVIEW = [
  {
    jid: ORDERS,
    name: "orders",
    state: "RUNNING",
    "start-time": 1_700_000_000_000,
    "end-time": -1,
    duration: 65_000,
    tasks: { total: 4, running: 3 },
  },
  {
    jid: FLIGHTS,
    name: "flights",
    state: "RESTARTING",
    "start-time": 1_600_000_000_000,
    "end-time": -1,
    duration: 1_200,
    tasks: { total: 2, running: 0 },
  },
];

/** Answers requests. */
export function scriptedServer(script: ServerScript = {}): (request: Request) => Reply {
  const { polls = 2, operation = { location: "/sp/savepoint-aaaaaa-1" }, jobs = ["orders", "flights"] } = script;
  let count = 0;
  let polled = 0;
  return (request) => {
    const before = script.before?.(request, count++);
    if (before !== undefined) return before;
    const { what, body } = request;
    if (what === "GET /jobs/overview") return { json: { jobs: OVERVIEW.filter(({ name }) => jobs.includes(name)) } };
    if (/^POST (?:\/jobs\/\w+\/(?:savepoints|stop|checkpoints)|\/savepoint-disposal)$/.test(what)) {
      // Whoever starts an operation names it.
      const { triggerId } = body as { triggerId: string };
      return { status: 202, json: { "request-id": triggerId } };
    }
    if (
      /^GET \/jobs\/\w+\/(?:savepoints|checkpoints)\/[0-9a-f]{32}$|^GET \/savepoint-disposal\/[0-9a-f]{32}$/.test(what)
    ) {
      if (polled++ < polls) return { json: { status: { id: "IN_PROGRESS" } } };
      return { json: { status: { id: "COMPLETED" }, operation } };
    }
    if (/^GET \/jobs\/\w+\/checkpoints$/.test(what)) {
      const pending = { id: 8, status: "IN_PROGRESS", num_subtasks: 4, num_acknowledged_subtasks: polled };
      return { json: { history: [pending, { id: 7, status: "COMPLETED" }] } };
    }
    if (what === `GET /jobs/${ORDERS}/checkpoints/details/7`) return { json: { id: 7, external_path: "/ck/chk-7" } };
    if (what.startsWith("PATCH ")) return { status: 202 };
    if (/\/status$/.test(what)) return { json: { status: polled++ < polls ? "CANCELLING" : "CANCELED" } };
    return { status: 404, json: { errors: [`no such path: ${what}`] } };
  };
}
