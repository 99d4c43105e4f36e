/**
 * Weir: stateful streams of records for Deno and Bun. A pipeline is a script.
 *
 * Called by: users.
 * Calls: nothing; it names what is public.
 *
 * @module
 */

// The pipeline
export { type EnvironmentOptions } from "./control/stream_environment.ts";
export { StreamEnvironment } from "./control/stream_environment.ts";
export { type BooleanScriptOption } from "./control/script_options.ts";
export { type NumberScriptOption } from "./control/script_options.ts";
export { type ScriptArgument } from "./control/script_options.ts";
export { type ScriptArguments } from "./control/script_options.ts";
export { type ScriptOption } from "./control/script_options.ts";
export { type ScriptOptions } from "./control/script_options.ts";
export { type StringScriptOption } from "./control/script_options.ts";
export { type Pipeline } from "./runtime/pipeline.ts";
export { DataStream } from "./runtime/stream.ts";
export { BroadcastStream } from "./runtime/stream.ts";
export { KeyedStream } from "./runtime/keyed_stream.ts";
export { type WidenedKey } from "./runtime/keyed_stream.ts";
export { type ActorTimers } from "./runtime/actor.ts";
export { KeyedActor } from "./runtime/actor.ts";
export { type TimeDomain } from "./runtime/actor.ts";
export { type KeyedProcessContext } from "./runtime/process_function.ts";
export { type Emits } from "./runtime/process_function.ts";
export { emits } from "./runtime/process_function.ts";
export { type KeyedProcessFunction } from "./runtime/process_function.ts";
export { type ProcessContext } from "./runtime/process_function.ts";
export { type ProcessFunction } from "./runtime/process_function.ts";
export { type OperatorStateDeclarations } from "./runtime/process_function.ts";
export { type OperatorStateHandles } from "./runtime/process_function.ts";
export { type OperatorStateOf } from "./runtime/process_function.ts";
export { type ProcessOpening } from "./runtime/process_function.ts";
export { type StateDeclarations } from "./runtime/process_function.ts";
export { type StatefulProcessContext } from "./runtime/process_function.ts";
export { type StatefulProcessFunction } from "./runtime/process_function.ts";
export { type StateOf } from "./runtime/process_function.ts";
export { malformedInputs } from "./runtime/side_output.ts";
export { type OutputTag } from "./runtime/side_output.ts";
export { outputTag } from "./runtime/side_output.ts";
export { Job } from "./runtime/job.ts";
export { type JobProgress } from "./runtime/job_progress.ts";
export { type JobResult } from "./runtime/job_progress.ts";
export { type JobState } from "./runtime/job_progress.ts";
export { type ControlledJob } from "./runtime/job_view.ts";
export { type Savepoint } from "./runtime/job_view.ts";
export { type SavepointOptions } from "./runtime/job_view.ts";
export { type StopOptions } from "./runtime/job_view.ts";
export { exponentialDelay } from "./runtime/restart_strategy.ts";
export { type ExponentialDelaySettings } from "./runtime/restart_strategy.ts";
export { failureRate } from "./runtime/restart_strategy.ts";
export { type FailureRateSettings } from "./runtime/restart_strategy.ts";
export { fixedDelay } from "./runtime/restart_strategy.ts";
export { type FixedDelaySettings } from "./runtime/restart_strategy.ts";
export { noRestart } from "./runtime/restart_strategy.ts";
export { type NoRestartSettings } from "./runtime/restart_strategy.ts";
export { type RestartSettings } from "./runtime/restart_strategy.ts";

// Asynchronous calls
export { type AsyncCallContext } from "./runtime/async/async_settings.ts";
export { type AsyncFunction } from "./runtime/async/async_settings.ts";
export { type AsyncOptions } from "./runtime/async/async_settings.ts";
export { type RetryOptions } from "./runtime/async/async_settings.ts";

// Actors that tell each other
export { type ActorRef } from "./runtime/feedback/actor_ref.ts";
export { actorRef } from "./runtime/feedback/actor_ref.ts";
export { type ActorOptions } from "./runtime/keyed_stream.ts";

// Two streams at once
export { type Duration } from "./runtime/windows/duration.ts";
export { CoActor } from "./runtime/two_inputs/co_actor.ts";

// Event time
export { noWatermarks } from "./timers/watermarks.ts";
export { type TimestampFunction } from "./timers/watermarks.ts";
export { type WatermarkGenerator } from "./timers/watermarks.ts";
export { type WatermarkOutput } from "./timers/watermarks.ts";
export { watermarks } from "./timers/watermarks.ts";
export { WatermarkStrategy } from "./timers/watermarks.ts";
export { MAX_WATERMARK } from "./core/element.ts";
export { MIN_WATERMARK } from "./core/element.ts";
export { NO_TIMESTAMP } from "./core/element.ts";

// State
export { type AggregateFunction } from "./core/descriptors.ts";
export { aggregatingState } from "./core/descriptors.ts";
export { type AggregatingStateDescriptor } from "./core/descriptors.ts";
export { type KeyedStateDeclaration } from "./core/descriptors.ts";
export { type KeyedStateOptions } from "./core/descriptors.ts";
export { listState } from "./core/descriptors.ts";
export { type ListStateDescriptor } from "./core/descriptors.ts";
export { mapState } from "./core/descriptors.ts";
export { type MapStateDescriptor } from "./core/descriptors.ts";
export { reducingState } from "./core/descriptors.ts";
export { type ReducingStateDescriptor } from "./core/descriptors.ts";
export { type StateDeclaration } from "./core/descriptors.ts";
export { type StateDescriptor } from "./core/descriptors.ts";
export { type StateKind } from "./core/descriptors.ts";
export { type StateOptions } from "./core/descriptors.ts";
export { type SchemaOptions } from "./core/state_schema.ts";
export { type IncrementalCleanup } from "./core/state_ttl.ts";
export { stateTtl } from "./core/state_ttl.ts";
export { type StateTtlOptions } from "./core/state_ttl.ts";
export { type TtlCleanupOptions } from "./core/state_ttl.ts";
export { type TtlSettings } from "./core/state_ttl.ts";
export { valueState } from "./core/descriptors.ts";
export { type ValueStateDescriptor } from "./core/descriptors.ts";
export { type ValueStateOptions } from "./core/descriptors.ts";
export { type BroadcastState } from "./core/operator_state.ts";
export { broadcastState } from "./core/operator_state.ts";
export { type BroadcastStateDescriptor } from "./core/operator_state.ts";
export { type OperatorListState } from "./core/operator_state.ts";
export { operatorListState } from "./core/operator_state.ts";
export { type OperatorListStateDescriptor } from "./core/operator_state.ts";
export { type OperatorListStateOptions } from "./core/operator_state.ts";
export { type OperatorStateKind } from "./core/operator_state.ts";
export { type AggregatingState } from "./core/state.ts";
export { type ListState } from "./core/state.ts";
export { type MapState } from "./core/state.ts";
export { type ReducingState } from "./core/state.ts";
export { type ValueState } from "./core/state.ts";
export { type Key } from "./core/key.ts";
export { bigint } from "./core/serializer.ts";
export { bool } from "./core/serializer.ts";
export { bytes } from "./core/serializer.ts";
export { type Compatibility } from "./core/serializer.ts";
export { compatibilityOf } from "./core/serializer.ts";
export { f64 } from "./core/serializer.ts";
export { type Serializer } from "./core/serializer.ts";
export { type SerializerSnapshot } from "./core/serializer.ts";
export { str } from "./core/serializer.ts";
export { cbor } from "./core/cbor_serializer.ts";
export { auto } from "./core/auto_serializer.ts";
export { ByteReader } from "./core/bytes.ts";
export { ByteWriter } from "./core/bytes.ts";

// Sources and sinks
export { fromIterable } from "./connectors/iterable_source.ts";
export { type IterableSourceOptions } from "./connectors/iterable_source.ts";
export { fromAsyncIterable } from "./connectors/async_iterable_source.ts";
export { jsonLines } from "./connectors/text_formats.ts";
export { type JsonLinesOptions } from "./connectors/text_formats.ts";
export { lines } from "./connectors/text_formats.ts";
export { fileSink } from "./connectors/file_sink.ts";
export { type FileSinkOptions } from "./connectors/file_sink.ts";
export { type PendingFile } from "./connectors/file_sink.ts";
export { consoleSink } from "./connectors/console_sink.ts";
export { type ConsoleSinkOptions } from "./connectors/console_sink.ts";
export { callbackSink } from "./connectors/callback_sink.ts";
export { type CallbackSinkOptions } from "./connectors/callback_sink.ts";
export { type Collected } from "./connectors/collect_sink.ts";
export { type CollectSink } from "./connectors/collect_sink.ts";
export { collectSink } from "./connectors/collect_sink.ts";
export { type FileSourceOptions } from "./connectors/file_source.ts";
export { type Paths } from "./connectors/path_pattern.ts";
export { fileSource } from "./connectors/file_source.ts";
export { type MalformedPolicy } from "./connectors/record_format.ts";
export { MalformedRecordError } from "./connectors/record_format.ts";
export { type MistakeOptions } from "./connectors/record_format.ts";
export { NO_RECORD } from "./connectors/record_format.ts";
export { type RecordDecoder } from "./connectors/record_format.ts";
export { type RecordFormat } from "./connectors/record_format.ts";
export { type Framing } from "./connectors/record_scanner.ts";
export { csvFormat } from "./connectors/line_encoder.ts";
export { jsonLinesFormat } from "./connectors/line_encoder.ts";
export { linesFormat } from "./connectors/line_encoder.ts";
export { type SinkFormat } from "./connectors/line_encoder.ts";
export { type SinkFormatName } from "./connectors/line_encoder.ts";
export { csv } from "./connectors/csv_source.ts";
export { type CsvColumns } from "./connectors/csv_source.ts";
export { type CsvOptions } from "./connectors/csv_source.ts";
export { type CsvRow } from "./connectors/csv_source.ts";
export { generator } from "./connectors/generator_source.ts";
export { type GeneratorOptions } from "./connectors/generator_source.ts";
export { type MalformedInput } from "./core/source.ts";
export { type ReadStatus } from "./core/source.ts";
export { type Source } from "./core/source.ts";
export { type SourceContext } from "./core/source.ts";
export { type SourceOutput } from "./core/source.ts";
export { type SourceReader } from "./core/source.ts";
export { type SplitPosition } from "./core/source.ts";
export { type Sink } from "./core/sink.ts";
export { type SinkContext } from "./core/sink.ts";
export { type SinkStart } from "./core/sink.ts";
export { type SinkWriter } from "./core/sink.ts";

// Metrics
export { type Counter } from "./core/metrics.ts";
export { type Histogram } from "./core/metrics.ts";
export { type HistogramSettings } from "./core/metrics.ts";
export { type MetricGroup } from "./core/metrics.ts";
export { type MetricLabel } from "./core/metrics.ts";

// Checkpoints
export { type SavepointFormat } from "./core/element.ts";

// State backends
export { type StateBackendFactory } from "./core/backend.ts";
export { heapBackendFactory } from "./backends/heap/heap_backend.ts";
export { type CheckpointStorageChoice } from "./control/backend_choice.ts";
export { type EmbeddedBackendSettings } from "./control/backend_choice.ts";
export { fileSystemStorage } from "./control/backend_choice.ts";
export { type FileSystemStorageSettings } from "./control/backend_choice.ts";
export { heapBackend } from "./control/backend_choice.ts";
export { type HeapBackendSettings } from "./control/backend_choice.ts";
export { memoryStorage } from "./control/backend_choice.ts";
export { type MemoryStorageSettings } from "./control/backend_choice.ts";
export { lmdbBackend } from "./control/backend_choice.ts";
export { lsmBackend } from "./control/backend_choice.ts";
export { type LsmBackendSettings } from "./control/backend_choice.ts";
export { type StateBackendChoice } from "./control/backend_choice.ts";
export { type CompactionStyle } from "./backends/lsm/compaction_picker.ts";
export { type LsmOptionsFactory } from "./backends/lsm/options_factory.ts";
export { type RunCompression } from "./backends/lsm/column_options.ts";
export { type LsmProfileName } from "./backends/lsm/options.ts";
export { type TimerQueueKind } from "./runtime/timer_options.ts";

// Errors, and what a job takes from outside
export { StreamError } from "./core/errors.ts";
export { type StreamErrorKind } from "./core/errors.ts";
export { type Cancel } from "./core/clock.ts";
export { type Clock } from "./core/clock.ts";
export { type Random } from "./core/clock.ts";
export { type FileStatus } from "./core/file_system.ts";
export { type FileSystem } from "./core/file_system.ts";
export { type InputFile } from "./core/file_system.ts";
export { type OutputFile } from "./core/file_system.ts";
export { type JobPorts } from "./runtime/job_ports.ts";
export { type HeldLock } from "./checkpoint/job_lock.ts";
export { type JobLock } from "./checkpoint/job_lock.ts";
