/**
 * Puts the HTTP API together: the guard in front, the routes, the OpenAPI document, and what is answered when
 * something is wrong.
 *
 * Called by: whoever serves it; tests, by `app.request(…)`.
 * Calls: control/http/guard.ts, the files with routes.
 *
 * Every error is `{"errors": ["…"]}`. Every path works with and without the prefix `/v1`.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import { OpenAPIHono, type z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { HTTPException } from "hono/http-exception";
import { reasonOfAbsence } from "./absent_paths.ts";
import { ApiError } from "./api_error.ts";
import { checkpointRoutes } from "./checkpoint_routes.ts";
import { clusterRoutes } from "./cluster_routes.ts";
import type { ApiContext, ApiEnv } from "./context.ts";
import { errorTexts } from "./error_texts.ts";
import { admit, answerHeaders, checkMediaType, preflightHeaders } from "./guard.ts";
import { jobOutcomeRoutes } from "./job_outcome_routes.ts";
import { jobRoutes } from "./job_routes.ts";
import { memoryRoutes } from "./memory_routes.ts";
import { operationRoutes } from "./operation_routes.ts";
import { metricRoutes } from "./metric_routes.ts";
import { describeApi, type OpenApiDocument } from "./openapi_document.ts";
import { processRoutes } from "./process_routes.ts";
import { prometheusRoutes } from "./prometheus_routes.ts";
import { readLimited } from "./request_body.ts";
import { vertexRoutes } from "./vertex_routes.ts";

const log = getLogger(["weir", "control", "http"]);

/** The app that routes are added to. */
export type ApiApp = OpenAPIHono<ApiEnv>;

/** Adds the routes of one topic. */
export type RouteModule = (app: ApiApp, context: ApiContext) => void;

/** Topics, in the order of the document; those with ids for a last part of their paths come last. */
const MODULES: readonly RouteModule[] = [
  clusterRoutes,
  // Its /jobs/metrics comes before /jobs/{jobId}.
  metricRoutes,
  jobRoutes,
  jobOutcomeRoutes,
  vertexRoutes,
  // Its /checkpoints/config comes before /checkpoints/{triggerId}.
  checkpointRoutes,
  memoryRoutes,
  operationRoutes,
  processRoutes,
  prometheusRoutes,
];

/** Methods of requests that may have a body. */
const METHODS_WITH_BODY: readonly string[] = ["POST", "PATCH", "PUT", "DELETE"];

/** Makes the app. It holds nothing but what the context holds. */
export function makeApi(context: ApiContext): ApiApp {
  const app: ApiApp = new OpenAPIHono<ApiEnv>({
    getPath: (request) => pathOf(request.url),
    defaultHook: (result) => {
      if (!result.success) throw new ApiError(400, problemsOf(result.error));
    },
  });
  app.use(async (c, next) => {
    // Before anything is refused: a listed page may read refusals, too.
    for (const [name, value] of Object.entries(answerHeaders(c.req.raw, context.settings))) c.header(name, value);
    const { isAuthenticated, origin } = admit(c.req.raw, c.req.path, context.settings);
    c.set("isAuthenticated", isAuthenticated);
    if (c.req.method === "OPTIONS" && origin !== null) return c.body(null, 204, preflightHeaders());
    await takeBody(c, context.settings.maxContentLength);
    return await next();
  });
  for (const addRoutes of MODULES) addRoutes(app, context);
  const document = describeApi(app);
  app.get("/openapi.json", (c) => c.json(document));
  app.notFound((c) => {
    throw absence(c.req.method, c.req.path, document);
  });
  app.onError((error, c) => answerError(error, c));
  return app;
}

/** The path of an address without the prefix of the version. */
function pathOf(url: string): string {
  const { pathname } = new URL(url);
  return pathname === "/v1" ? "/" : pathname.startsWith("/v1/") ? pathname.slice(3) : pathname;
}

/** Replaces the body by its bytes within the limit; an empty one by `{}`. */
async function takeBody(c: Context<ApiEnv>, limitBytes: number): Promise<void> {
  const { raw } = c.req;
  // Of other methods there is none that has a route, and some that no Request can be made with.
  if (!METHODS_WITH_BODY.includes(raw.method)) return;
  const bytes = await readLimited(raw, limitBytes);
  const isEmpty = bytes.length === 0;
  if (!isEmpty) checkMediaType(raw.headers.get("content-type"));
  const headers = new Headers(raw.headers);
  headers.set("content-type", "application/json");
  c.req.raw = new Request(raw.url, { method: raw.method, headers, body: isEmpty ? "{}" : bytes });
}

/** Why there is no such path, or no such method for it. */
function absence(method: string, path: string, document: OpenApiDocument): ApiError {
  const allowed = document.methodsOf(path);
  const reason = reasonOfAbsence(method, path);
  if (allowed.length > 0) {
    const message = `Method ${method} is not allowed for this path; allowed: ${allowed.join(", ")}`;
    return new ApiError(405, reason === undefined ? message : [message, reason], { Allow: allowed.join(", ") });
  }
  return new ApiError(404, reason ?? "There is no such path; see /openapi.json");
}

function answerError(error: Error, c: Context<ApiEnv>): Response {
  if (error instanceof ApiError) return c.json({ errors: error.messages }, error.status, error.headers);
  if (error instanceof HTTPException && error.status < 500) return c.json({ errors: [error.message] }, error.status);
  log.error("Cannot answer {method} {path}: {reason}", {
    method: c.req.method,
    path: c.req.path,
    reason: error.stack ?? error.message,
  });
  return c.json({ errors: ["Internal server error.", ...errorTexts(error, c.get("isAuthenticated"))] }, 500);
}

/** One text for each thing that is wrong. */
function problemsOf(error: z.core.$ZodError): string[] {
  return error.issues.slice(0, 10).map(({ path, message }) => {
    const where = path.length === 0 ? "" : `${path.join(".")}: `;
    return `Bad request: ${where}${message}`.slice(0, 500);
  });
}
