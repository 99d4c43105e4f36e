/**
 * Tells clients where files are: they work in another folder than the job.
 *
 * Called by: checkpoint_figures.ts, operation_routes.ts.
 * Calls: nothing.
 *
 * @module
 */
import { resolve } from "node:path";

/** The path from the root; what is no path of a file, as `memory://…`, stays as it is. */
export function pathForClients(path: string): string {
  return path.includes("://") ? path : resolve(path);
}
