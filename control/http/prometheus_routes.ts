/**
 * The route that Prometheus reads.
 *
 * Called by: control/http/api.ts.
 * Calls: control/http/prometheus.ts, loaded with the first request.
 *
 * @module
 */
import { createRoute, z } from "@hono/zod-openapi";
import type { ApiApp } from "./api.ts";
import type { ApiContext } from "./context.ts";

const route = createRoute({
  method: "get",
  path: "/metrics",
  summary: "What all jobs measure, in the text format of Prometheus",
  responses: { 200: { description: "Samples.", content: { "text/plain": { schema: z.string() } } } },
});

/** Adds `/metrics`. */
export function prometheusRoutes(app: ApiApp, { jobs }: ApiContext): void {
  app.openapi(route, async (c) => {
    const { prometheusText, PROMETHEUS_TYPE } = await import("./prometheus.ts");
    return c.text(await prometheusText(jobs), 200, { "content-type": PROMETHEUS_TYPE });
  });
}
