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
import { KeyedStream } from "./keyed_stream.ts";
import { AsyncMapOperator } from "./async/async_map_operator.ts";
import { type AsyncFunction, type AsyncOptions, asyncSettings } from "./async/async_settings.ts";
import type { Operator, OperatorContext } from "./operator.ts";
import { ProcessOperator } from "./operators/process_operator.ts";
import { SinkOperator } from "./operators/sink_operator.ts";
import { StatefulProcessOperator } from "./operators/stateful_process_operator.ts";
import { FilterOperator, FlatMapOperator, MapOperator } from "./operators/stateless.ts";
import type { OperatorStateDeclarations, ProcessFunction, StatefulProcessFunction } from "./process_function.ts";
import type { OutputTag } from "./side_output.ts";
import { countWindows, type WindowedStream, windowedStream } from "./windowed_stream.ts";
import { globalWindow } from "./windows/assigners.ts";
import type { GlobalWindow, Window } from "./windows/window.ts";
import type { WindowAssigner } from "./windows/window_assigner.ts";
import type { NodeDeclaration, StreamEdge, StreamGraph, StreamNode } from "./stream_graph.ts";
import { BroadcastConnectedStream, ConnectedStreams, TwoInputs } from "./two_inputs/connected_streams.ts";

const FORWARD = { kind: "forward" } as const;

let readEdges: <T>(stream: DataStream<T>) => readonly StreamEdge[];

/** What an operator that reads the stream has as inputs. */
export function edgesOf<T>(stream: DataStream<T>): readonly StreamEdge[] {
  return readEdges(stream);
}

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
  static {
    readEdges = (stream) => stream.edges;
  }

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

  /**
   * Cuts the whole stream into windows, in one subtask: prefer `keyBy(…).window(…)` where there is a key.
   *
   * @param assigner `tumbling`, `sliding`, `session`, `globalWindow`, or one of your own.
   */
  windowAll<W extends Window>(assigner: WindowAssigner<T, W>): WindowedStream<number, T, W> {
    const keyOf = () => 0;
    const inputs = this.#via({ kind: "hash", keyOf });
    return windowedStream(
      <O>(name: string, make: (context: OperatorContext) => Operator<T, O>) =>
        this.#add<O>({ name, label: name, kind: "keyed", inputs, parallelism: 1, parallelismLimit: 1, make }),
      keyOf,
      assigner,
    );
  }

  /** As `windowAll`, by number: see `countWindow` of keyed streams. @throws {RangeError} If a number is no integer ≥ 1. */
  countWindowAll(size: number, slide?: number): WindowedStream<number, T, GlobalWindow> {
    return countWindows(this.windowAll(globalWindow()), size, slide);
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
  broadcast(): BroadcastStream<T> {
    return new BroadcastStream(this.graph, this.#via({ kind: "broadcast" }), null);
  }

  /** This stream and a broadcast one before a step that reads what the latter tells it. */
  connect<B>(other: BroadcastStream<B>): BroadcastConnectedStream<T, B>;
  /** This stream and another, of values of another type, before one operator. */
  connect<B>(other: DataStream<B>): ConnectedStreams<T, B>;
  connect<B>(other: DataStream<B>): ConnectedStreams<T, B> {
    const inputs = new TwoInputs(this.graph, this.edges, other.edges);
    return other instanceof BroadcastStream ? new BroadcastConnectedStream(inputs) : new ConnectedStreams(inputs);
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
    return new DataStream(this.graph, [{ from, tagId: tag.id, partitioning: FORWARD, port: 0 }], null);
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

  /**
   * One value for each, by a function that takes its time: a lookup elsewhere, a model, a service. Many calls are out at
   * once. A record whose result has not gone on is in every checkpoint, and is called for again after a restart.
   *
   * @example
   * ```ts
   * import { collectSink, fromIterable, StreamEnvironment } from "../mod.ts";
   *
   * const env = StreamEnvironment.create({ argv: [] });
   * const out = collectSink<string>();
   * const nameOf = (id: number) => Promise.resolve(id === 1 ? "ann" : "bob");
   * env.fromSource("ids", fromIterable([1, 2])).asyncMap("names", (id) => nameOf(id), { timeout: "5 s" }).sinkTo("out", out);
   * await (await env.executeAsync("names")).result;
   * if (out.values.join() !== "ann,bob") throw new Error(out.values.join());
   * ```
   *
   * @param name Identifies the records in flight across restarts; unique in the pipeline.
   * @param apply May be called more than once for a record; its effects must allow that.
   * @throws {RangeError} If an option is out of range.
   */
  asyncMap<O>(name: string, apply: AsyncFunction<T, O>, options: AsyncOptions<T, O> = {}): DataStream<O> {
    const settings = asyncSettings(options);
    return this.#add({
      name,
      label: "asyncMap",
      kind: "stateless",
      inputs: this.edges,
      make: (context) => new AsyncMapOperator(context, apply, settings),
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

/** A stream of which every subtask downstream is given every value. */
export class BroadcastStream<T> extends DataStream<T> {
  /** Tells its type from that of other streams. */
  readonly isBroadcast = true;
}

function checkParallelism(parallelism: number): void {
  if (!Number.isInteger(parallelism) || parallelism < 1 || parallelism > 32_768) {
    throw new RangeError(`Cannot set parallelism ${parallelism}: it must be an integer in 1..32768`);
  }
}

/** The main output of a node, as a stream. */
export function streamOf<T>(graph: StreamGraph, node: StreamNode): DataStream<T> {
  return new DataStream(graph, [{ from: node, tagId: null, partitioning: FORWARD, port: 0 }], node);
}
