/**
 * The types of what a job tells about itself: its parts, its metrics, its checkpoints and what they consist of. The values
 * come from `Job`; a script needs these names only to pass them on.
 *
 * Called by: users who watch jobs.
 * Calls: nothing; it names what is public.
 *
 * @module
 */

// The job
export { type CheckpointKind } from "./runtime/job_view.ts";
export { type FailureView } from "./runtime/job_view.ts";
export { type JobView } from "./runtime/job_view.ts";
export { type PartitioningKind } from "./runtime/job_view.ts";
export { type SubtaskState } from "./runtime/job_view.ts";
export { type SubtaskView } from "./runtime/job_view.ts";
export { type VertexView } from "./runtime/job_view.ts";
export { type QueriedState } from "./runtime/state_reader.ts";
export { type QueryResult } from "./runtime/state_reader.ts";

// Memory
export { type BlockCacheMemory } from "./core/backend_memory.ts";
export { type MemoryReport } from "./core/backend_memory.ts";
export { type OperatorMemory } from "./core/backend_memory.ts";
export { type SlotMemoryReport } from "./core/backend_memory.ts";
export { type WriteBufferMemory } from "./core/backend_memory.ts";

// Metrics
export { type JobMetrics } from "./runtime/metrics.ts";
export { type MetricRegistry } from "./runtime/metrics.ts";
export { type OperatorMetrics } from "./runtime/metrics.ts";
export { type TaskMetrics } from "./runtime/metrics.ts";
export { type EventCounter } from "./runtime/metric_group.ts";
export { type HistogramReading } from "./runtime/metric_group.ts";
export { type Meter } from "./runtime/metric_group.ts";
export { type MetricReading } from "./runtime/metric_group.ts";
export { type MetricScope } from "./runtime/metric_group.ts";
export { type RecentHistogram } from "./runtime/metric_group.ts";
export { type ScopedMetrics } from "./runtime/metric_group.ts";

// Checkpoints
export { type CheckpointsStatistics } from "./checkpoint/statistics.ts";
export { type CheckpointStatistics } from "./checkpoint/statistics.ts";
export { type FigureSummary } from "./checkpoint/statistics_summary.ts";
export { type SubtaskStatistics } from "./checkpoint/statistics.ts";
export { type CheckpointMetadata } from "./checkpoint/completed_checkpoint.ts";
export { type CompletedCheckpoint } from "./checkpoint/completed_checkpoint.ts";
export { type JobStart } from "./checkpoint/completed_checkpoint.ts";
export { type OperatorCheckpoint } from "./checkpoint/completed_checkpoint.ts";
export { type SubtaskEntry } from "./checkpoint/completed_checkpoint.ts";
export { type CheckpointFailureReason } from "./checkpoint/failure.ts";
export { type SubtaskRef } from "./checkpoint/storage.ts";

// What a snapshot consists of
export { type CheckpointType } from "./core/element.ts";
export { type FileRef } from "./core/snapshot.ts";
export { type FileScope } from "./core/snapshot.ts";
export { type KeyedStateHandle } from "./core/snapshot.ts";
export { type ListDistribution } from "./core/snapshot.ts";
export { type OperatorList } from "./core/snapshot.ts";
export { type OperatorSnapshot } from "./core/snapshot.ts";
export { type LogSegment } from "./core/snapshot.ts";
export { type RunHandle } from "./core/snapshot.ts";
export { type SnapshotFigures } from "./core/snapshot.ts";
