/**
 * Describes the vertices and subtasks of a job as they are now.
 *
 * Called by: runtime/job_run.ts.
 * Calls: nothing.
 *
 * @module
 */
import type { Attempt } from "./attempt.ts";
import type { JobGraph } from "./job_graph.ts";
import type { VertexView } from "./job_view.ts";

/** The vertices, upstream first. @param attempt Null before the first one: then there are no subtasks. */
export function vertexViews(graph: JobGraph, attempt: Attempt | null): VertexView[] {
  return graph.vertices.map((vertex) => ({
    id: vertex.id,
    name: vertex.name,
    parallelism: vertex.parallelism,
    maxParallelism: attempt?.maxParallelismOf(vertex.id) ?? vertex.maxParallelism,
    operators: vertex.operators.map(({ operatorId, node }) => ({ id: operatorId, name: node.name })),
    inputs: graph.edges.filter((edge) => edge.to === vertex).map(({ from, partitioning }) => ({
      vertexId: from.id,
      partitioning: partitioning.kind,
    })),
    subtasks: (attempt?.subtasks ?? []).filter(({ name }) => name.vertexId === vertex.id).map(({ name, life }) => ({
      index: name.subtaskIndex,
      state: life.state,
      enteredMs: life.times(),
    })),
  }));
}
