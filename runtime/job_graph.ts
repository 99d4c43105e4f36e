/**
 * Turns a stream graph into vertices: chains of operators that run in one
 * subtask, and the exchanges between them. Pure.
 *
 * Called by: runtime/job_run.ts.
 * Calls: core/key_groups.ts.
 *
 * Rules: an operator is chained to its only input if both have the same
 * parallelism and no record changes its subtask: a forward edge, or any edge
 * when the parallelism is 1.
 *
 * @module
 */
import { StreamError } from "../core/errors.ts";
import { checkMaxParallelism, defaultMaxParallelism } from "../core/key_groups.ts";
import type { InputPort } from "./output.ts";
import { stableId } from "./stable_id.ts";
import type { Partitioning, StreamEdge, StreamGraph, StreamNode } from "./stream_graph.ts";

/** One operator within a vertex. */
export interface ChainedOperator {
  readonly node: StreamNode;
  /** Whether others tell it messages. */
  readonly isTold: boolean;
  /** 32 hex digits: from the name, or from the position for operators without one. */
  readonly operatorId: string;
  /** Operators of the same vertex that read this one, with the side output they read. */
  readonly next: readonly { readonly operator: ChainedOperator; readonly tagId: string | null }[];
}

/** A chain. */
export interface JobVertex {
  /** Id of the first operator. */
  readonly id: string;
  /** Names of the operators, joined. */
  readonly name: string;
  readonly parallelism: number;
  readonly maxParallelism: number;
  /** Upstream first. */
  readonly operators: readonly ChainedOperator[];
  readonly isSource: boolean;
}

/** Records that leave one vertex for another. */
export interface JobEdge {
  readonly from: JobVertex;
  readonly fromOperator: ChainedOperator;
  readonly tagId: string | null;
  readonly to: JobVertex;
  readonly partitioning: Partitioning;
  /** Input of the head of `to`. */
  readonly port: InputPort;
}

/** What an execution runs. */
export interface JobGraph {
  /** Upstream first. */
  readonly vertices: readonly JobVertex[];
  readonly edges: readonly JobEdge[];
}

/** Settings that shape the graph. */
export interface JobGraphSettings {
  readonly parallelism: number;
  /** Null: derived from the parallelism. */
  readonly maxParallelism: number | null;
}

/**
 * Builds the job graph.
 *
 * @throws {StreamError} If the graph is empty or a parallelism does not fit.
 */
export function buildJobGraph(graph: StreamGraph, settings: JobGraphSettings): JobGraph {
  if (!graph.nodes.some((node) => node.kind === "source")) {
    throw new StreamError("invalid", "Cannot execute: the pipeline has no source; start it with env.fromSource(…)");
  }
  checkTells(graph);
  const parallelism = resolveParallelism(graph, settings.parallelism);
  const headOf = assignChains(graph, parallelism);
  const chains = new Map<StreamNode, StreamNode[]>();
  for (const node of graph.nodes) {
    const head = headOf.get(node)!;
    const chain = chains.get(head);
    if (chain === undefined) chains.set(head, [node]);
    else chain.push(node);
  }
  const operators = chainOperators(graph, headOf);
  const vertices = new Map<StreamNode, JobVertex>();
  for (const [head, nodes] of chains) vertices.set(head, makeVertex(head, nodes, operators, parallelism, settings));
  const edges = graph.nodes.flatMap((node) =>
    node.inputs.filter((edge) => headOf.get(edge.from) !== headOf.get(node)).map((edge): JobEdge => ({
      from: vertices.get(headOf.get(edge.from)!)!,
      fromOperator: operators.get(edge.from)!,
      tagId: edge.tagId,
      to: vertices.get(node)!,
      partitioning: edge.partitioning,
      port: edge.port,
    }))
  );
  return { vertices: [...vertices.values()], edges };
}

function checkTells(graph: StreamGraph): void {
  for (const { name, tells } of graph.nodes) {
    for (const told of tells) {
      const node = graph.nodes.find((one) => one.name === told);
      if (node?.takesMessages === true) continue;
      const what = node === undefined ? "nothing in the pipeline has that name" : "that is no actor and no keyed step";
      throw new StreamError(
        "invalid",
        `Cannot execute: "${name}" tells "${told}", and ${what}; correct the name in tells`,
      );
    }
  }
}

/** Of all nodes: as many slots does the job need. */
export function largestParallelism(graph: StreamGraph, settings: JobGraphSettings): number {
  return Math.max(1, ...resolveParallelism(graph, settings.parallelism).values());
}

function resolveParallelism(graph: StreamGraph, jobParallelism: number): Map<StreamNode, number> {
  const resolved = new Map<StreamNode, number>();
  for (const node of graph.nodes) {
    const isDealt = node.inputs.some(({ partitioning: { kind } }) => kind === "rebalance" || kind === "broadcast");
    const inherited = node.kind === "keyed" || node.inputs.length === 0 || isDealt
      ? jobParallelism
      : Math.max(...node.inputs.map((edge) => resolved.get(edge.from)!));
    const wanted = node.parallelism ?? Math.min(inherited, node.parallelismLimit);
    if (wanted > node.parallelismLimit) {
      throw new StreamError(
        "invalid",
        `Cannot run "${node.name}" with parallelism ${wanted}: its largest parallelism is ${node.parallelismLimit}`,
      );
    }
    resolved.set(node, wanted);
  }
  return resolved;
}

function assignChains(graph: StreamGraph, parallelism: ReadonlyMap<StreamNode, number>): Map<StreamNode, StreamNode> {
  const headOf = new Map<StreamNode, StreamNode>();
  for (const node of graph.nodes) {
    const edge = node.inputs[0];
    const isChained = edge !== undefined && node.inputs.length === 1 && staysInSubtask(edge, node, parallelism);
    headOf.set(node, isChained ? headOf.get(edge.from)! : node);
  }
  return headOf;
}

function staysInSubtask(edge: StreamEdge, node: StreamNode, parallelism: ReadonlyMap<StreamNode, number>): boolean {
  const own = parallelism.get(node);
  return own === parallelism.get(edge.from) && (own === 1 || edge.partitioning.kind === "forward");
}

function chainOperators(
  graph: StreamGraph,
  headOf: ReadonlyMap<StreamNode, StreamNode>,
): Map<StreamNode, ChainedOperator> {
  const operators = new Map<StreamNode, ChainedOperator>();
  // Downstream first, so that `next` can refer to what is there already.
  for (const node of graph.nodes.toReversed()) {
    const next = graph.nodes.flatMap((reader) =>
      reader.inputs.filter((edge) => edge.from === node && headOf.get(reader) === headOf.get(node)).map((edge) => ({
        operator: operators.get(reader)!,
        tagId: edge.tagId,
      }))
    );
    const operatorId = stableId(node.isNamed ? `name:${node.name}` : `position:${node.index}:${node.name}`);
    const isTold = graph.nodes.some(({ tells }) => tells.includes(node.name));
    operators.set(node, { node, isTold, operatorId, next });
  }
  return operators;
}

function makeVertex(
  head: StreamNode,
  nodes: readonly StreamNode[],
  operators: ReadonlyMap<StreamNode, ChainedOperator>,
  parallelism: ReadonlyMap<StreamNode, number>,
  settings: JobGraphSettings,
): JobVertex {
  const own = parallelism.get(head)!;
  const maxParallelism = settings.maxParallelism ?? defaultMaxParallelism(own);
  checkMaxParallelism(maxParallelism, own);
  return {
    id: operators.get(head)!.operatorId,
    name: nodes.map((node) => node.name).join(" → "),
    parallelism: own,
    maxParallelism,
    operators: nodes.map((node) => operators.get(node)!),
    isSource: head.kind === "source",
  };
}
