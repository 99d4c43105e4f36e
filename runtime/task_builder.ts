/**
 * Builds the subtasks of one attempt from the job graph: makes operators, ties
 * them into chains, lays channels between them.
 *
 * Called by: runtime/attempt.ts.
 * Calls: the nodes' factories, subtasks, exchanges, gates.
 *
 * @module
 */
import { BarrierAligner } from "../checkpoint/barrier_aligner.ts";
import { BarrierTracker } from "../checkpoint/barrier_tracker.ts";
import type { StateBackendFactory } from "../core/backend.ts";
import type { Clock, Random } from "../core/clock.ts";
import type { FileSystem } from "../core/file_system.ts";
import type { Key } from "../core/key.ts";
import { keyGroupRangeOf } from "../core/key_groups.ts";
import type { SnapshotStore } from "../core/snapshot.ts";
import type { SinkStart } from "../core/sink.ts";
import { WatermarkValve } from "../timers/watermark_valve.ts";
import { Channel } from "./channel.ts";
import { BroadcastExchange, type Exchange, HashExchange, RebalanceExchange } from "./exchange.ts";
import { FeedbackNetwork } from "./feedback/feedback_network.ts";
import { InputGate } from "./input_gate.ts";
import type { ChainedOperator, JobEdge, JobGraph, JobVertex } from "./job_graph.ts";
import type { StateLatencySettings } from "./latency_options.ts";
import type { MetricRegistry } from "./metrics.ts";
import type { Operator, OperatorContext, OperatorRestore } from "./operator.ts";
import { SourceOperator } from "./operators/source_operator.ts";
import { joinOutputs, type Output, type RecordPort } from "./output.ts";
import { type ReportedOperator, taskReport } from "./task_metrics.ts";
import type { TimerSettings } from "./timer_settings.ts";
import { Subtask, type SubtaskHost, type SubtaskListener, type SubtaskName } from "./subtask.ts";

/** What all subtasks of an attempt share. */
export interface AttemptPorts {
  readonly clock: Clock;
  readonly random: Random;
  readonly fileSystem: FileSystem;
  readonly metrics: MetricRegistry;
  readonly backendFactory: StateBackendFactory;
  /** Writes files that checkpoints share, at any time; undefined where checkpoints are not files. */
  readonly sharedStore: SnapshotStore | undefined;
  readonly incremental: boolean;
  readonly timers: TimerSettings;
  readonly stateLatency: StateLatencySettings | null;
  readonly exactlyOnce: boolean;
  readonly watermarkIntervalMs: number;
  /** Messages that may wait at one subtask. */
  readonly maxMessagesInFlight: number;
  readonly start: SinkStart;
  readonly host: SubtaskHost;
  /** Null when the attempt starts without a checkpoint or the operator has nothing in it. */
  restoreOf(operatorId: string, subtaskIndex: number): OperatorRestore | null;
  /** That of the checkpoint when it holds the operator, else that of its vertex. */
  maxParallelismOf(operatorId: string): number;
  listenerOf(name: SubtaskName): SubtaskListener;
}

/** Channels of one edge: `[sender][receiver]`; null where no record can go. */
type ChannelGrid = readonly (readonly (Channel | null)[])[];

/** Builds every subtask, upstream first. */
export function buildSubtasks(graph: JobGraph, ports: AttemptPorts): Subtask[] {
  const grids = new Map(graph.edges.map((edge) => [edge, layChannels(edge)] as const));
  const network = layFeedback(graph, ports);
  return graph.vertices.flatMap((vertex) =>
    Array.from(
      { length: vertex.parallelism },
      (_, index) => new SubtaskBuilder(graph, vertex, index, grids, network, ports).build(),
    )
  );
}

function layChannels(edge: JobEdge): ChannelGrid {
  const senders = edge.from.parallelism;
  const receivers = edge.to.parallelism;
  const isOneToOne = edge.partitioning.kind === "forward" && senders === receivers;
  return Array.from(
    { length: senders },
    (_, sender) =>
      Array.from({ length: receivers }, (_, receiver) => isOneToOne && sender !== receiver ? null : new Channel()),
  );
}

/** Between operators that tell messages or are told. */
function layFeedback(graph: JobGraph, ports: AttemptPorts): FeedbackNetwork {
  const operators = graph.vertices.flatMap(({ operators, parallelism }) =>
    operators.filter(({ node, isTold }) => isTold || node.tells.length > 0).map(({ node, operatorId }) => ({
      name: node.name,
      parallelism,
      maxParallelism: ports.maxParallelismOf(operatorId),
      tells: node.tells,
    }))
  );
  return new FeedbackNetwork(operators, ports.maxMessagesInFlight);
}

class SubtaskBuilder {
  readonly #subtask: Subtask;
  readonly #operators = new Map<ChainedOperator, Operator<never, unknown>>();
  readonly #exchanges = new Map<JobEdge, Exchange<unknown>>();
  /** One reader of each output that is read. */
  readonly #readers = new Map<ChainedOperator, readonly Output<unknown>[]>();

  constructor(
    private readonly graph: JobGraph,
    private readonly vertex: JobVertex,
    private readonly index: number,
    private readonly grids: ReadonlyMap<JobEdge, ChannelGrid>,
    private readonly network: FeedbackNetwork,
    private readonly ports: AttemptPorts,
  ) {
    const name = { vertexId: vertex.id, vertexName: vertex.name, subtaskIndex: index };
    this.#subtask = new Subtask(name, ports.clock, ports.host, ports.listenerOf(name));
  }

  build(): Subtask {
    const { vertex } = this;
    for (const operator of vertex.operators) this.#operators.set(operator, operator.node.make(this.#context(operator)));
    for (const edge of this.graph.edges) if (edge.from === vertex) this.#exchanges.set(edge, this.#exchange(edge));
    for (const operator of vertex.operators) this.#connect(operator);
    const subtask = this.#subtask;
    subtask.operators = [...this.#operators.values()];
    subtask.exchanges = [...this.#exchanges.values()];
    const head = subtask.operators[0]!;
    subtask.input = head instanceof SourceOperator ? head : this.#gate(head);
    const metrics = this.ports.metrics.task(vertex.id, this.index);
    this.ports.metrics.beforeTasksAreRead(
      taskReport(subtask, metrics, vertex.operators.map((one) => this.#report(one))),
    );
    return subtask;
  }

  #report(chained: ChainedOperator): ReportedOperator {
    const { vertex, index, ports } = this;
    const upstream = vertex.operators.find(({ next }) => next.some(({ operator }) => operator === chained));
    return {
      operator: this.#operators.get(chained)!,
      metrics: ports.metrics.operator(vertex.id, chained.node.name, index),
      upstream: upstream === undefined ? null : this.#operators.get(upstream)!,
      readers: this.#readers.get(chained)!,
    };
  }

  #context(operator: ChainedOperator): OperatorContext {
    const { ports, vertex, index } = this;
    const maxParallelism = ports.maxParallelismOf(operator.operatorId);
    return {
      operatorId: operator.operatorId,
      operatorName: operator.node.name,
      subtaskIndex: index,
      // Slot i holds subtask i of every operator.
      slotIndex: index,
      parallelism: vertex.parallelism,
      maxParallelism,
      keyGroups: keyGroupRangeOf(index, { parallelism: vertex.parallelism, maxParallelism }),
      clock: ports.clock,
      random: ports.random,
      fileSystem: ports.fileSystem,
      metrics: ports.metrics.operator(vertex.id, operator.node.name, index),
      backendFactory: ports.backendFactory,
      ...(ports.sharedStore !== undefined && { sharedStore: ports.sharedStore }),
      incremental: ports.incremental,
      timers: ports.timers,
      stateLatency: ports.stateLatency,
      watermarkIntervalMs: ports.watermarkIntervalMs,
      isLastKeyed: !hasKeyedBelow(operator),
      task: this.#subtask,
      start: ports.start,
      restore: ports.restoreOf(operator.operatorId, index),
      feedback: this.network.of(operator.node.name, index),
    };
  }

  #exchange(edge: JobEdge): Exchange<unknown> {
    const channels = this.grids.get(edge)![this.index]!.filter((channel) => channel !== null);
    const { partitioning } = edge;
    const owner = this.#subtask;
    if (partitioning.kind === "hash") {
      // The selector takes what the upstream operator emits: `keyBy` has tied both to the same type.
      const keyOf = partitioning.keyOf as (value: unknown) => Key;
      const target = { operatorName: edge.to.operators[0]!.node.name, senderIndex: this.index };
      return new HashExchange(channels, owner, keyOf, this.ports.maxParallelismOf(edge.to.id), target);
    }
    const isAll = partitioning.kind === "broadcast" || channels.length === 1;
    return isAll ? new BroadcastExchange(channels, owner) : new RebalanceExchange(channels, owner, this.index);
  }

  #connect(chained: ChainedOperator): void {
    const operator = this.#operators.get(chained)!;
    const byTag = new Map<string | null, Output<unknown>[]>();
    const add = (tagId: string | null, output: Output<unknown>) => {
      const outputs = byTag.get(tagId);
      if (outputs === undefined) byTag.set(tagId, [output]);
      else outputs.push(output);
    };
    // An operator takes what its input emits: the fluent API has tied both to the same type.
    for (const { operator: next, tagId } of chained.next) add(tagId, this.#operators.get(next)! as Output<unknown>);
    for (const [edge, exchange] of this.#exchanges) if (edge.fromOperator === chained) add(edge.tagId, exchange);
    this.#readers.set(chained, [...byTag.values()].flatMap((outputs) => outputs[0]!));
    operator.out = joinOutputs(byTag.get(null) ?? []);
    byTag.delete(null);
    // Only tags are left.
    operator.sides = new Map([...byTag].map(([tagId, outputs]) => [tagId as string, joinOutputs(outputs)]));
  }

  #gate(head: Operator<never, unknown>): InputGate {
    const channels: Channel[] = [];
    const ports: RecordPort[] = [];
    for (const edge of this.graph.edges) {
      if (edge.to !== this.vertex) continue;
      for (const channel of this.grids.get(edge)!.flatMap((row) => row[this.index] ?? [])) {
        channels.push(channel);
        ports.push(head.port(edge.port));
      }
    }
    const { clock, exactlyOnce } = this.ports;
    const options = { channels: channels.length };
    return new InputGate(
      channels,
      ports,
      // As in `#connect`.
      head as Output<unknown>,
      new WatermarkValve(channels.length),
      exactlyOnce ? new BarrierAligner(options) : new BarrierTracker(options),
      this.#subtask,
      clock,
    );
  }
}

function hasKeyedBelow({ next }: ChainedOperator): boolean {
  return next.some(({ operator }) => operator.node.kind === "keyed" || hasKeyedBelow(operator));
}
