/**
 * Collects a pipeline: the graph and its sources.
 *
 * Called by: control/stream_environment.ts (extends it), tests, benches.
 * Calls: runtime/stream_graph.ts.
 *
 * @module
 */
import type { Source } from "../core/source.ts";
import { noWatermarks, type WatermarkStrategy } from "../timers/watermarks.ts";
import { SourceOperator } from "./operators/source_operator.ts";
import { type DataStream, streamOf } from "./stream.ts";
import { StreamGraph } from "./stream_graph.ts";

/** A pipeline that is being written. */
export class Pipeline {
  /**
   * What has been written so far.
   *
   * @internal
   */
  protected readonly graph: StreamGraph = new StreamGraph();

  /**
   * Begins a stream.
   *
   * @param name Identifies the source's position across restarts; unique in the pipeline.
   * @param strategy Event time and watermarks; by default records keep the source's timestamps and there is no
   * watermark before the end.
   */
  fromSource<T>(name: string, source: Source<T>, strategy: WatermarkStrategy<T> = noWatermarks<T>()): DataStream<T> {
    const node = this.graph.add({
      name,
      label: "source",
      kind: "source",
      inputs: [],
      parallelismLimit: source.maxParallelism ?? Number.POSITIVE_INFINITY,
      isReplayable: source.replayable,
      make: (context) => new SourceOperator(context, source, strategy),
    });
    return streamOf(this.graph, node);
  }
}
