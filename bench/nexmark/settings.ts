/**
 * What a run of a query is told, and what it finds.
 *
 * Called by: bench/nexmark/main.ts, bench/nexmark/run_query.ts.
 * Calls: nothing.
 *
 * @module
 */

/** How a query is run. */
export interface QuerySettings {
  /** Its name. */
  readonly query: string;
  /** Events of all three kinds. */
  readonly events: number;
  /** "hashmap", "lsm" or "lmdb". */
  readonly backend: string;
  readonly parallelism: number;
  /** From one checkpoint to the next, milliseconds. */
  readonly intervalMs: number;
  readonly seed: number;
  /** Events in a second of event time. */
  readonly eventsPerSecond: number;
  /** Options of the job. */
  readonly config: Readonly<Record<string, string>>;
}

/** What a run took. */
export interface QueryFigures {
  readonly query: string;
  readonly backend: string;
  readonly events: number;
  /** Whether the events were made while they were read; otherwise before the clock started. */
  readonly streamed: boolean;
  /** Records that the query has put out. */
  readonly results: number;
  readonly wallSeconds: number;
  /** User and system time of all threads, garbage collection included. */
  readonly cpuSeconds: number;
  readonly eventsPerSecond: number;
  readonly eventsPerCpuSecond: number;
  /** Resident memory before the job, events included. */
  readonly startBytes: number;
  /** Most resident memory of the process. */
  readonly peakBytes: number;
  /** Resident memory after each tenth of the events, as far as it was looked at. */
  readonly residentBytes: readonly number[];
  readonly checkpoints: number;
  readonly checkpointsFailed: number;
  /** How long checkpoints took from trigger to durable; null without any. */
  readonly checkpointP50Ms: number | null;
  readonly checkpointP99Ms: number | null;
  /** Largest checkpoint, all that it refers to; null without any. */
  readonly largestStateBytes: number | null;
}
