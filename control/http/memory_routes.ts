/**
 * Route that shows who holds how many bytes of the memory for state on disk. Flink has no such path.
 *
 * Called by: control/http/api.ts.
 * Calls: control/http/context.ts.
 *
 * @module
 */
import { createRoute, z } from "@hono/zod-openapi";
import type { ApiApp } from "./api.ts";
import { type ApiContext, listedJob } from "./context.ts";
import { Count, JobParams, json } from "./schemas.ts";

const WriteBuffers = z.object({
  limitBytes: Count,
  usedBytes: Count,
  peakBytes: Count,
  overshootBytes: Count,
  arenaBytes: Count,
});

const BlockCache = z.object({
  limitBytes: Count,
  heldBytes: Count,
  blockBytes: Count,
  pinnedBytes: Count,
  indexAndFilterBytes: Count,
  reservedBytes: Count,
  scratchBytes: Count,
});

const Operator = z.object({
  operatorName: z.string(),
  activeBytes: Count,
  frozenBytes: Count,
  keptBytes: Count,
  indexAndFilterBytes: Count,
});

const Slot = z.object({
  slotIndex: Count,
  capBytes: Count,
  usedBytes: Count,
  writeBuffers: WriteBuffers,
  blockCache: BlockCache.nullable(),
  operators: z.array(Operator),
});

const Memory = z.object({ backend: z.string(), totalBytes: Count, usedBytes: Count, slots: z.array(Slot) })
  .openapi("StateMemory");

const memoryRoute = createRoute({
  method: "get",
  path: "/jobs/{jobId}/memory",
  summary: "Who holds how many bytes of the memory for state on disk",
  request: { params: JobParams },
  responses: { 200: json(Memory, "Slot by slot, operator by operator.") },
});

/** Adds it. */
export function memoryRoutes(app: ApiApp, context: ApiContext): void {
  app.openapi(memoryRoute, (c) => {
    const { slots, ...report } = listedJob(context, c.req.valid("param").jobId).job.memoryReport();
    return c.json({ ...report, slots: slots.map((slot) => ({ ...slot, operators: [...slot.operators] })) }, 200);
  });
}
