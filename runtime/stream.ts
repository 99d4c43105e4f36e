/**
 * The fluent API: streams of values and what can be done with them. Every call
 * adds a node to the graph; nothing runs before `execute`.
 *
 * Called by: users.
 * Calls: runtime/stream_graph.ts, runtime/operators/.
 *
 * @module
 */
import { StreamError } from "../core/errors.ts";
import type { Key } from "../core/key.ts";
import type { Sink } from "../core/sink.ts";
import type { KeyedActor } from "./actor.ts";
import type { Operator, OperatorContext } from "./operator.ts";
import { KeyedActorOperator } from "./operators/keyed_actor_operator.ts";
import { KeyedProcessOperator } from "./operators/keyed_process_operator.ts";
import { ProcessOperator } from "./operators/process_operator.ts";
import { ReduceOperator } from "./operators/reduce_operator.ts";
import { SinkOperator } from "./operators/sink_operator.ts";
import { StatefulProcessOperator } from "./operators/stateful_process_operator.ts";
import { FilterOperator, FlatMapOperator, MapOperator } from "./operators/stateless.ts";
import type {
  KeyedProcessFunction,
  OperatorStateDeclarations,
  ProcessFunction,
  StateDeclarations,
  StatefulProcessFunction,
} from "./process_function.ts";
import type { OutputTag } from "./side_output.ts";
import type { NodeDeclaration, StreamEdge, StreamGraph, StreamNode } from "./stream_graph.ts";

const FORWARD = { kind: "forward" } as const;

/**
 * A stream of values of type `T`. Immutable: each method returns another stream.
 *
 * Operators without state run where their input runs; keyed operators, and those after `rebalance()` and `broadcast()`,
 * run with the job's parallelism.
 *
 * @example
 * ```ts
 * import { collectSink, fromIterable, StreamEnvironment } from "../mod.ts";
 *
 * const env = StreamEnvironment.create({ argv: [] });
 * const out = collectSink<number>();
 * env.fromSource("numbers", fromIterable([1, 2, 3])).map((n) => n * 2).filter((n) => n > 2).sinkTo("out", out);
 * await (await env.executeAsync("doubles")).result;
 * if (out.values.join() !== "4,6") throw new Error(out.values.join());
 * ```
 */
export class DataStream<T> {
  /** Not for users: streams come from `env.fromSource` and from other streams. */
  constructor(
    private readonly graph: StreamGraph,
    private readonly edges: readonly StreamEdge[],
    private readonly node: StreamNode | null,
  ) {}

  /** One value for each. @param apply Synchronous. */
  map<O>(apply: (value: T) => O): DataStream<O> {
    return this.#then("map", (context) => new MapOperator(context, apply));
  }

  /** Keeps the values that the predicate holds for. */
  filter<S extends T>(predicate: (value: T) => value is S): DataStream<S>;
  /** Keeps the values that the predicate holds for. @param predicate Synchronous. */
  filter(predicate: (value: T) => boolean): DataStream<T>;
  filter(predicate: (value: T) => boolean): DataStream<T> {
    return this.#then("filter", (context) => new FilterOperator(context, predicate));
  }

  /** Any number of values for each. @param apply Synchronous; returns an array or another iterable. */
  flatMap<O>(apply: (value: T) => Iterable<O>): DataStream<O> {
    return this.#then("flatMap", (context) => new FlatMapOperator(context, apply));
  }

  /**
   * A step that emits what it likes, also to side outputs.
   *
   * @param name Unique in the pipeline.
   * @param step Synchronous. What it emits cannot be inferred from its body: name it, `process<string>(…)`; without a
   * type, `emit` takes nothing.
   */
  process<O = never>(name: string, step: ProcessFunction<T, O>): DataStream<O>;
  /**
   * A step with state that belongs to no key: each subtask has its own, see `operatorListState` and `broadcastState`.
   *
   * @param name Identifies the step's state across restarts; unique in the pipeline.
   * @param step What it emits is named by its `emits: emits<O>()`.
   */
  process<O = never, S extends OperatorStateDeclarations = Record<never, never>>(
    name: string,
    step: StatefulProcessFunction<T, O, S>,
  ): DataStream<O>;
  process<O, S extends OperatorStateDeclarations>(
    name: string,
    step: ProcessFunction<T, O> | StatefulProcessFunction<T, O, S>,
  ): DataStream<O> {
    return this.#add({
      name,
      label: "process",
      kind: "stateless",
      inputs: this.edges,
      make: (context) =>
        typeof step === "function" ? new ProcessOperator(context, step) : new StatefulProcessOperator(context, step),
    });
  }

  /** Groups the values: all of one key meet in one actor, in the order in which they came. */
  keyBy<K extends Key>(keyOf: (value: T) => K): KeyedStream<K, T> {
    return new KeyedStream(this.graph, this.#via({ kind: "hash", keyOf }), keyOf);
  }

  /** This stream and others as one, in no particular order. */
  union(...others: readonly DataStream<T>[]): DataStream<T> {
    return new DataStream(this.graph, [...this.edges, ...others.flatMap((other) => other.edges)], null);
  }

  /** Deals the values to the subtasks downstream in turn; the operator that follows has the job's parallelism. */
  rebalance(): DataStream<T> {
    return new DataStream(this.graph, this.#via({ kind: "rebalance" }), null);
  }

  /** Gives every value to every subtask downstream; the operator that follows has the job's parallelism. */
  broadcast(): DataStream<T> {
    return new DataStream(this.graph, this.#via({ kind: "broadcast" }), null);
  }

  /**
   * What the operator has sent to a tag.
   *
   * @example
   * ```ts
   * import { collectSink, fromIterable, outputTag, StreamEnvironment } from "../mod.ts";
   *
   * const odd = outputTag<number>("odd");
   * const env = StreamEnvironment.create({ argv: [] });
   * const evens = collectSink<number>();
   * const odds = collectSink<number>();
   * const split = env.fromSource("numbers", fromIterable([1, 2, 3])).process<number>("split", (n, context) => {
   *   if (n % 2 === 0) context.emit(n);
   *   else context.emitTo(odd, n);
   * });
   * split.sinkTo("evens", evens);
   * split.sideOutput(odd).sinkTo("odds", odds);
   * await (await env.executeAsync("odd and even")).result;
   * if (evens.values.join() !== "2" || odds.values.join() !== "1,3") throw new Error();
   * ```
   */
  sideOutput<S>(tag: OutputTag<S>): DataStream<S> {
    const from = this.#lastNode("read a side output of");
    return new DataStream(this.graph, [{ from, tagId: tag.id, partitioning: FORWARD }], null);
  }

  /**
   * Sets how many subtasks run the operator that makes this stream.
   *
   * @param parallelism An integer from 1 to 32,768.
   */
  setParallelism(parallelism: number): this {
    checkParallelism(parallelism);
    this.#lastNode("set the parallelism of").parallelism = parallelism;
    return this;
  }

  /**
   * Ends the stream in a sink.
   *
   * @param name Identifies the sink's pending transactions across restarts; unique.
   * @param options `parallelism`: how many subtasks write, an integer from 1 to 32,768; by default as many as make the
   * stream, at most what the sink can have.
   */
  sinkTo(name: string, sink: Sink<T>, options: { readonly parallelism?: number } = {}): void {
    const { parallelism = null } = options;
    if (parallelism !== null) checkParallelism(parallelism);
    this.#add<never>({
      name,
      label: "sink",
      kind: "sink",
      inputs: this.edges,
      parallelismLimit: sink.maxParallelism ?? Number.POSITIVE_INFINITY,
      destination: sink.destination,
      ownsDestination: sink.ownsDestination ?? false,
      isExactlyOnce: sink.guarantee === "exactly-once",
      parallelism,
      make: (context) => new SinkOperator(context, sink),
    });
  }

  #then<O>(label: string, make: (context: OperatorContext) => Operator<T, O>): DataStream<O> {
    return this.#add({ name: null, label, kind: "stateless", inputs: this.edges, make });
  }

  #add<O>(declaration: NodeDeclaration): DataStream<O> {
    return streamOf(this.graph, this.graph.add(declaration));
  }

  #via(partitioning: StreamEdge["partitioning"]): StreamEdge[] {
    return this.edges.map((edge) => ({ ...edge, partitioning }));
  }

  #lastNode(what: string): StreamNode {
    if (this.node !== null) return this.node;
    throw new StreamError(
      "invalid",
      `Cannot ${what} a union, rebalance, broadcast or side output: no operator of its own makes it; ` +
        `do it on the stream before, or after a map()`,
    );
  }
}

function checkParallelism(parallelism: number): void {
  if (!Number.isInteger(parallelism) || parallelism < 1 || parallelism > 32_768) {
    throw new RangeError(`Cannot set parallelism ${parallelism}: it must be an integer in 1..32768`);
  }
}

/** `string` for a type of one string, and so on: an actor for any string is one for `keyBy(() => "all")`, too. */
export type WidenedKey<K extends Key> = K extends string ? string
  : K extends number ? number
  : K extends bigint ? bigint
  : K extends boolean ? boolean
  : K;

/**
 * A stream grouped by key.
 *
 * @example
 * ```ts
 * import { collectSink, fromIterable, StreamEnvironment } from "../mod.ts";
 *
 * const env = StreamEnvironment.create({ argv: [] });
 * const out = collectSink<number>();
 * env.fromSource("numbers", fromIterable([1, 2, 3, 4]))
 *   .keyBy((n) => n % 2)
 *   .reduce("sums", (left, right) => left + right)
 *   .sinkTo("out", out);
 * await (await env.executeAsync("sums of odd and even numbers")).result;
 * if (out.values.join() !== "1,2,4,6") throw new Error(out.values.join());
 * ```
 */
export class KeyedStream<K extends Key, T> {
  /** Not for users: comes from `stream.keyBy(…)`. */
  constructor(
    private readonly graph: StreamGraph,
    private readonly edges: readonly StreamEdge[],
    private readonly keyOf: (value: T) => K,
  ) {}

  /**
   * Runs an actor for every key.
   *
   * @param name Identifies the actor's state across restarts; unique in the pipeline.
   * @param make Makes one actor per subtask; called again after a failure.
   */
  actor<O>(name: string, make: () => KeyedActor<WidenedKey<K>, T, O>): DataStream<O> {
    return this.#add(name, (context) => new KeyedActorOperator<Key, T, O>(context, this.keyOf, make));
  }

  /**
   * Runs a step for every key; an actor as a plain object. What it emits cannot be inferred from its body: say it by
   * `emits`; without, `emit` takes nothing.
   *
   * @example
   * ```ts
   * import { collectSink, emits, fromIterable, StreamEnvironment, valueState } from "../mod.ts";
   *
   * const env = StreamEnvironment.create({ argv: [] });
   * const out = collectSink<string>();
   * env.fromSource("words", fromIterable(["to", "be", "to"])).keyBy((word) => word).process("count", {
   *   emits: emits<string>(),
   *   state: { count: valueState<number>("count", { default: 0 }) },
   *   onMessage(word, context) {
   *     const { count } = context.state;
   *     count.update(count.value() + 1);
   *     context.emit(`${word} ${count.value()}`);
   *   },
   * }).sinkTo("out", out);
   * await (await env.executeAsync("words")).result;
   * if (out.values.join() !== "to 1,be 1,to 2") throw new Error(out.values.join());
   * ```
   *
   * @param name As in `actor`.
   */
  process<O = never, S extends StateDeclarations = Record<never, never>>(
    name: string,
    step: KeyedProcessFunction<K, T, O, S>,
  ): DataStream<O> {
    return this.#add(name, (context) => new KeyedProcessOperator(context, this.keyOf, step));
  }

  /**
   * Emits, for every value, the fold of its key so far.
   *
   * @param name As in `actor`.
   * @param reduce Associative and synchronous. It must not change its arguments but return a new value: what it returned
   * before is what downstream was given, and `right` belongs to whoever made it.
   */
  reduce(name: string, reduce: (left: T, right: T) => T): DataStream<T> {
    return this.#add(name, (context) => new ReduceOperator(context, this.keyOf, reduce));
  }

  #add<O>(name: string, make: (context: OperatorContext) => Operator<T, O>): DataStream<O> {
    return streamOf(this.graph, this.graph.add({ name, label: name, kind: "keyed", inputs: this.edges, make }));
  }
}

/** The main output of a node, as a stream. */
export function streamOf<T>(graph: StreamGraph, node: StreamNode): DataStream<T> {
  return new DataStream(graph, [{ from: node, tagId: null, partitioning: FORWARD }], node);
}
