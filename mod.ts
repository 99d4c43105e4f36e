/**
 * Weir: stateful streams of records for Deno and Bun. A pipeline is a script.
 *
 * Called by: users.
 * Calls: nothing; it names what is public.
 *
 * @module
 */

// The pipeline
export { type EnvironmentOptions, StreamEnvironment } from "./control/stream_environment.ts";
export { DataStream, KeyedStream } from "./runtime/stream.ts";
export { type ActorTimers, KeyedActor, type TimeDomain } from "./runtime/actor.ts";
export {
  type KeyedProcessContext,
  type KeyedProcessFunction,
  type ProcessContext,
  type ProcessFunction,
  type StateDeclarations,
  type StateOf,
} from "./runtime/process_function.ts";
export { malformedInputs, type OutputTag, outputTag } from "./runtime/side_output.ts";
export { Job } from "./runtime/job.ts";
export { type JobProgress, type JobResult, type JobState } from "./runtime/job_progress.ts";
export {
  exponentialDelay,
  failureRate,
  fixedDelay,
  noRestart,
  type RestartSettings,
} from "./runtime/restart_strategy.ts";

// Event time
export {
  noWatermarks,
  type WatermarkGenerator,
  type WatermarkOutput,
  watermarks,
  WatermarkStrategy,
} from "./timers/watermarks.ts";
export { MAX_WATERMARK, MIN_WATERMARK, NO_TIMESTAMP } from "./core/element.ts";

// State
export {
  type AggregateFunction,
  aggregatingState,
  type AggregatingStateDescriptor,
  listState,
  type ListStateDescriptor,
  mapState,
  type MapStateDescriptor,
  reducingState,
  type ReducingStateDescriptor,
  type StateDescriptor,
  valueState,
  type ValueStateDescriptor,
} from "./core/descriptors.ts";
export {
  type AggregatingState,
  type ListState,
  type MapState,
  type ReducingState,
  type ValueState,
} from "./core/state.ts";
export { type Key } from "./core/key.ts";
export {
  bigint,
  bool,
  bytes,
  type Compatibility,
  f64,
  type Serializer,
  type SerializerSnapshot,
  str,
} from "./core/serializer.ts";
export { cbor } from "./core/cbor_serializer.ts";
export { auto } from "./core/auto_serializer.ts";
export { ByteReader, ByteWriter } from "./core/bytes.ts";
export { type StateBackend, type StateBackendContext, type StateBackendFactory } from "./core/backend.ts";
export { heapBackendFactory } from "./backends/heap/heap_backend.ts";

// Sources and sinks
export { fromIterable } from "./connectors/iterable_source.ts";
export { fromAsyncIterable } from "./connectors/async_iterable_source.ts";
export { jsonLines, lines } from "./connectors/text_formats.ts";
export { fileSink } from "./connectors/file_sink.ts";
export { consoleSink } from "./connectors/console_sink.ts";
export { callbackSink } from "./connectors/callback_sink.ts";
export { type CollectSink, collectSink } from "./connectors/collect_sink.ts";
export {
  type MalformedInput,
  type ReadStatus,
  type Source,
  type SourceContext,
  type SourceOutput,
  type SourceReader,
  type SplitPosition,
} from "./core/source.ts";
export { type Sink, type SinkContext, type SinkStart, type SinkWriter } from "./core/sink.ts";
export { type Counter, type Histogram, type MetricGroup } from "./core/metrics.ts";
export { StreamError, type StreamErrorKind } from "./core/errors.ts";
export { type Clock, type Random } from "./core/clock.ts";
export { type FileSystem } from "./core/file_system.ts";
