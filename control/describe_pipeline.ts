/**
 * Says what a pipeline declares without running it: operators, and the states of each. Nothing is opened, and of the
 * user's code only what puts actors together is called.
 *
 * Called by: control/restore_check.ts.
 * Calls: runtime/ (job graph, keyed operators), the heap backend, on which states are declared.
 *
 * @module
 */
import { heapBackendFactory } from "../backends/heap/heap_backend.ts";
import type { StateBackend, StateBackendFactory } from "../core/backend.ts";
import type { Clock, Random } from "../core/clock.ts";
import type { StateDescriptor } from "../core/descriptors.ts";
import type { FileSystem } from "../core/file_system.ts";
import type { OperatorStateDescriptor } from "../core/operator_state.ts";
import { keyGroupRangeOf } from "../core/key_groups.ts";
import { buildJobGraph, type ChainedOperator, type JobVertex } from "../runtime/job_graph.ts";
import type { JobSettings } from "../runtime/job_settings.ts";
import { FeedbackNetwork, type FeedbackOperator } from "../runtime/feedback/feedback_network.ts";
import { MetricRegistry } from "../runtime/metrics.ts";
import type { OperatorContext, TaskControl } from "../runtime/operator.ts";
import { KeyedOperator } from "../runtime/operators/keyed_operator.ts";
import type { NodeKind, StreamGraph } from "../runtime/stream_graph.ts";

/** An operator of a pipeline. */
export interface DescribedOperator {
  readonly id: string;
  readonly name: string;
  readonly kind: NodeKind;
  /** Whether it takes back state without a key. */
  readonly takesLists: boolean;
  /** Whether others tell it messages. */
  readonly isTold: boolean;
  readonly parallelism: number;
  /** Set by the user, or derived from the parallelism. */
  readonly maxParallelism: number;
  /** The user has set it. */
  readonly maxParallelismIsExplicit: boolean;
  /** Of keyed operators, in the order of their declaration; timers are not among them. */
  readonly states: readonly StateDescriptor[];
  /** Of steps with state that belongs to no key. Sources declare theirs when they are opened: it is not known. */
  readonly lists: readonly OperatorStateDescriptor[];
}

/** What an operator may be made with; nothing of it is used but to build. */
export interface DescriptionPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly fileSystem: FileSystem;
}

/**
 * The operators of a pipeline, upstream first.
 *
 * @throws {StreamError} If the graph cannot be run. What the constructor of an actor throws is thrown on.
 */
export async function describePipeline(
  graph: StreamGraph,
  settings: JobSettings,
  ports: DescriptionPorts,
): Promise<DescribedOperator[]> {
  const described: DescribedOperator[] = [];
  for (const vertex of buildJobGraph(graph, settings).vertices) {
    for (const operator of vertex.operators) {
      described.push({
        id: operator.operatorId,
        name: operator.node.name,
        kind: operator.node.kind,
        takesLists: operator.node.takesLists,
        isTold: operator.isTold,
        parallelism: vertex.parallelism,
        maxParallelism: vertex.maxParallelism,
        maxParallelismIsExplicit: settings.maxParallelism !== null,
        ...await statesOf(operator, vertex, ports),
      });
    }
  }
  return described;
}

/** What the first subtask of an operator declares; all declare the same. */
async function statesOf(
  { node, operatorId, isTold }: ChainedOperator,
  { id, parallelism, maxParallelism }: JobVertex,
  ports: DescriptionPorts,
): Promise<Pick<DescribedOperator, "states" | "lists">> {
  // Neither declares anything before it is opened, which would open what is outside.
  if (node.kind === "source" || node.kind === "sink") return { states: [], lists: [] };
  const states: StateDescriptor[] = [];
  const context: OperatorContext = {
    ...ports,
    operatorId,
    operatorName: node.name,
    subtaskIndex: 0,
    slotIndex: 0,
    parallelism,
    maxParallelism,
    keyGroups: keyGroupRangeOf(0, { parallelism, maxParallelism }),
    metrics: new MetricRegistry("description").operator(id, node.name, 0),
    backendFactory: recordingFactory(states),
    incremental: false,
    timers: { kind: "heap", cacheSize: 1 },
    stateLatency: null,
    watermarkIntervalMs: 0,
    isLastKeyed: true,
    task: NO_TASK,
    start: { kind: "fresh" },
    restore: null,
    feedback: isTold ? new FeedbackNetwork([toldBySelf(node.name)], 1).of(node.name, 0) : null,
  };
  const operator = node.make(context);
  if (operator instanceof KeyedOperator) await operator.openState();
  return { states, lists: operator.declared };
}

/** Who is told declares state for it, whoever tells it. */
function toldBySelf(name: string): FeedbackOperator {
  return { name, parallelism: 1, maxParallelism: 1, tells: [name] };
}

/** No record comes, so nobody asks it for anything. */
const NO_TASK: TaskControl = {
  shouldPause: () => false,
  post: () => {},
  postWork: () => {},
  resumeLater: () => {},
  fail: () => {},
  wake: () => {},
  interrupt: () => {},
};

/** Backends on the heap that note what is declared on them: their handles, and their refusals, are the real ones. */
function recordingFactory(states: StateDescriptor[]): StateBackendFactory {
  return {
    name: heapBackendFactory.name,
    create: (context) => recording(heapBackendFactory.create(context), states),
  };
}

function recording(backend: StateBackend, states: StateDescriptor[]): StateBackend {
  const declare = (descriptor: StateDescriptor): unknown => {
    // The overload is chosen by the kind, which is not known here; all of them take a descriptor.
    const handle: unknown = (backend.state as (one: StateDescriptor) => unknown).call(backend, descriptor);
    if (!states.some(({ name }) => name === descriptor.name)) states.push(descriptor);
    return handle;
  };
  return new Proxy(backend, {
    get(target, name): unknown {
      if (name === "state") return declare;
      const member: unknown = Reflect.get(target, name, target);
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
}
