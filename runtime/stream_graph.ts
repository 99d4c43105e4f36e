/**
 * The pipeline as the user has written it: nodes that make operators, edges
 * that say how records travel. Pure data.
 *
 * Called by: runtime/stream.ts (builds), runtime/job_graph.ts (reads).
 * Calls: nothing.
 *
 * @module
 */
import { StreamError } from "../core/errors.ts";
import type { Key } from "../core/key.ts";
import type { Operator, OperatorContext } from "./operator.ts";
import type { InputPort } from "./output.ts";

/** How records travel along an edge. `hash` needs a key selector. */
export type Partitioning =
  | { readonly kind: "forward" | "rebalance" | "broadcast" }
  | { readonly kind: "hash"; readonly keyOf: (value: never) => Key };

/** From a node, or one of its side outputs, to another. */
export interface StreamEdge {
  readonly from: StreamNode;
  /** Side output, or null for the main one. */
  readonly tagId: string | null;
  readonly partitioning: Partitioning;
  /** Which input of the node it leads to: 0, or 1 for the second input of a node with two. */
  readonly port: InputPort;
}

/** What a node does at run time. */
export type NodeKind = "source" | "stateless" | "keyed" | "sink";

/** One operator of the pipeline. */
export interface StreamNode {
  /** Position in the graph, 0-based. */
  readonly index: number;
  readonly name: string;
  /** Whether `name` was given by the user and identifies state across restarts. */
  readonly isNamed: boolean;
  readonly kind: NodeKind;
  readonly inputs: readonly StreamEdge[];
  /** Null until set: sources, keyed operators and what follows a repartition take the job's, the others their input's. */
  parallelism: number | null;
  /** Largest parallelism that makes sense. */
  readonly parallelismLimit: number;
  /** False for a source that cannot go on from a position. */
  readonly isReplayable: boolean;
  /** Where a sink's output goes, if it says so. */
  readonly destination: string | null;
  /** Whether no other sink may have this destination. */
  readonly ownsDestination: boolean;
  /** True for a sink whose output holds each result once, also after a restart. */
  readonly isExactlyOnce: boolean;
  /** Whether it takes back state without a key. */
  readonly takesLists: boolean;
  /** Whether others may tell it messages. */
  readonly takesMessages: boolean;
  /** Names of the nodes that it tells. */
  readonly tells: readonly string[];
  /** Makes the operator of one subtask. */
  readonly make: (context: OperatorContext) => Operator<never, unknown>;
}

/** What a node is added with. */
export interface NodeDeclaration {
  readonly name: string | null;
  readonly kind: NodeKind;
  /** Names a node without a name of its own, for example `map`. */
  readonly label: string;
  readonly inputs: readonly StreamEdge[];
  readonly parallelismLimit?: number;
  readonly isReplayable?: boolean;
  readonly destination?: string | undefined;
  readonly ownsDestination?: boolean;
  readonly isExactlyOnce?: boolean;
  /** Absent: sources and what has no keys do. */
  readonly takesLists?: boolean;
  readonly takesMessages?: boolean;
  readonly tells?: readonly string[];
  /** Null or absent: derived. */
  readonly parallelism?: number | null;
  readonly make: (context: OperatorContext) => Operator<never, unknown>;
}

/** All nodes of a pipeline, in the order they were added: upstream first. */
export class StreamGraph {
  readonly nodes: StreamNode[] = [];

  /**
   * Adds a node.
   *
   * @throws {StreamError} If the name is empty or taken, or the destination belongs to another sink.
   */
  add(declaration: NodeDeclaration): StreamNode {
    const index = this.nodes.length;
    const { name, label, kind, inputs, make } = declaration;
    const { parallelismLimit = Number.POSITIVE_INFINITY, isReplayable = true, destination = null } = declaration;
    const { ownsDestination = false, isExactlyOnce = false, parallelism = null } = declaration;
    const { takesLists = kind === "source" || kind === "stateless" } = declaration;
    const { takesMessages = false, tells = [] } = declaration;
    if (name !== null) this.#checkName(name);
    if (destination !== null) this.#checkDestination(name ?? label, destination, ownsDestination);
    const node: StreamNode = {
      index,
      name: name ?? `${label}-${index}`,
      isNamed: name !== null,
      kind,
      inputs,
      parallelism,
      parallelismLimit,
      isReplayable,
      destination,
      ownsDestination,
      isExactlyOnce,
      takesLists,
      takesMessages,
      tells,
      make,
    };
    this.nodes.push(node);
    return node;
  }

  #checkDestination(name: string, destination: string, ownsDestination: boolean): void {
    const other = this.nodes.find((node) =>
      node.destination === destination && (ownsDestination || node.ownsDestination)
    );
    if (other === undefined) return;
    throw new StreamError(
      "invalid",
      `Cannot add sink "${name}": it writes to "${destination}" like sink "${other.name}", must have a place of its ` +
        "own; give each sink another folder, or unite the streams before one sink",
    );
  }

  #checkName(name: string): void {
    if (typeof name !== "string" || name.trim() === "") {
      throw new StreamError(
        "invalid",
        `Cannot add an operator named ${JSON.stringify(name)}: a name must not be empty`,
      );
    }
    if (this.nodes.some((node) => node.name === name)) {
      throw new StreamError(
        "invalid",
        `Cannot add a second operator named "${name}": a name identifies the operator's state across restarts, it must be unique`,
      );
    }
  }
}
