/**
 * Source over text files: deals them to subtasks and reads each subtask's share.
 *
 * Called by: connectors/text_formats.ts, connectors/csv_source.ts, pipelines with a format of their own.
 * Calls: file_split.ts, path_pattern.ts, rate_limiter.ts.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import type { Cancel, Clock } from "../core/clock.ts";
import { StreamError } from "../core/errors.ts";
import type { ReadStatus, Source, SourceContext, SourceOutput, SourceReader, SplitPosition } from "../core/source.ts";
import { isPacked } from "./byte_stream.ts";
import { type FilePosition, type FileReading, FileSplit } from "./file_split.ts";
import { findFiles, type FoundFile, type Paths } from "./path_pattern.ts";
import { checkRate, RateLimiter } from "./rate_limiter.ts";
import type { MalformedPolicy, RecordFormat } from "./record_format.ts";

/** How files are read. */
export interface FileSourceOptions {
  /**
   * What to do with text that is no record: `fail` (default) names file, line and column; `skip` counts it in the
   * metric `malformedRecords` and says how many there were at the end; `side-output` hands it to the pipeline.
   */
  readonly onMalformed?: MalformedPolicy;
  /** Most records a second over all subtasks, above 0. Absent: no limit. */
  readonly ratePerSecond?: number;
  /** Whether to wait for more at the end of a file, for ever. A last line without its end is waited for. */
  readonly follow?: boolean;
  /** How often a followed file is looked at, milliseconds; 200 when absent. */
  readonly pollIntervalMs?: number;
}

class FileReader<T> implements SourceReader<T> {
  readonly #splits: readonly FileSplit<T>[];
  readonly #reading: FileReading<T>;
  readonly #context: SourceContext;
  readonly #poll: PollTimer | null;
  /** The file that is read; when following, the one that is asked first. */
  #current = 0;
  #reported = false;

  constructor(splits: readonly FileSplit<T>[], reading: FileReading<T>, context: SourceContext, pollMs: number) {
    this.#splits = splits;
    this.#reading = reading;
    this.#context = context;
    this.#poll = reading.follow ? new PollTimer(context.clock, pollMs) : null;
  }

  read(output: SourceOutput<T>): ReadStatus {
    if (this.#poll !== null && this.#splits.length > 0) return this.#readAll(output, this.#poll);
    for (;;) {
      const split = this.#splits[this.#current];
      if (split === undefined) {
        this.#report();
        return "ended";
      }
      const progress = split.emit(output);
      if (progress === "full") return "ready";
      if (progress === "limited") return this.#limited();
      if (progress === "loading") {
        this.#splits[this.#current + 1]?.prefetch();
        return split.loaded;
      }
      this.#current++;
    }
  }

  position(): readonly SplitPosition[] {
    return this.#splits.map((split) => ({ split: split.path, position: split.position() }));
  }

  progress(): { readonly done: number; readonly total: number } | null {
    if (this.#reading.follow) return null;
    let done = 0;
    let total = 0;
    for (const split of this.#splits) {
      done += split.doneBytes;
      total += split.sizeBytes;
    }
    return { done, total };
  }

  async close(): Promise<void> {
    this.#report();
    this.#poll?.close();
    this.#reading.limiter?.close();
    await Promise.all(this.#splits.map((split) => split.close()));
  }

  /** Reads files that grow: each in turn, so that a busy one does not hold back the others. */
  #readAll(output: SourceOutput<T>, poll: PollTimer): ReadStatus {
    const count = this.#splits.length;
    const loads: Promise<void>[] = [];
    for (let turn = 0; turn < count; turn++) {
      const index = (this.#current + turn) % count;
      // The remainder is below the length.
      const split = this.#splits[index] as FileSplit<T>;
      const progress = split.emit(output);
      if (progress === "full" || progress === "limited") {
        this.#current = (index + 1) % count;
        return progress === "full" ? "ready" : this.#limited();
      }
      if (progress === "loading") loads.push(split.loaded);
    }
    if (loads.length > 0) return Promise.race(loads);
    return poll.wait().then(async () => {
      await Promise.all(this.#splits.map((split) => split.refresh()));
    });
  }

  #limited(): Promise<void> {
    return this.#reading.limiter?.wait() ?? Promise.resolve();
  }

  #report(): void {
    if (this.#reported) return;
    this.#reported = true;
    let count = 0;
    for (const split of this.#splits) count += split.malformedCount;
    if (count === 0 || this.#reading.onMalformed !== "skip") return;
    getLogger(["weir", "source"]).warn("Source {name} skipped {count} malformed records in subtask {subtask}", {
      name: this.#context.name,
      count,
      subtask: this.#context.subtaskIndex,
    });
  }
}

/** Waits between two looks at followed files. */
class PollTimer {
  readonly #clock: Clock;
  readonly #intervalMs: number;
  #cancel: Cancel | null = null;
  #resolve: (() => void) | null = null;

  constructor(clock: Clock, intervalMs: number) {
    this.#clock = clock;
    this.#intervalMs = intervalMs;
  }

  wait(): Promise<void> {
    return new Promise((resolve) => {
      this.#resolve = resolve;
      this.#cancel = this.#clock.schedule(this.#intervalMs, resolve);
    });
  }

  close(): void {
    this.#cancel?.();
    this.#resolve?.();
  }
}

/** A file with the position to read it from. */
interface Share {
  readonly file: FoundFile;
  readonly position: FilePosition | null;
}

/** What this subtask reads: its part of the files at a fresh start, what it was dealt after a restore. */
async function shareOf(context: SourceContext, paths: Paths): Promise<{ shares: Share[]; fileCount: number }> {
  const { restored, fileSystem, subtaskIndex, parallelism } = context;
  if (restored === null) {
    const files = await findFiles(fileSystem, paths);
    const own = files.filter((_, index) => index % parallelism === subtaskIndex);
    return { shares: own.map((file) => ({ file, position: null })), fileCount: files.length };
  }
  const shares: Share[] = [];
  for (const { split, position } of restored) {
    const at = filePositionOf(context.name, split, position);
    const status = at.ended ? null : await fileSystem.status(split);
    shares.push({ file: { path: split, sizeBytes: status?.sizeBytes ?? at.offset }, position: at });
  }
  return { shares, fileCount: shares[0]?.position?.fileCount ?? 1 };
}

/** Checks what came out of a checkpoint. */
function filePositionOf(source: string, path: string, position: unknown): FilePosition {
  if (typeof position === "object" && position !== null && "offset" in position && "fileCount" in position) {
    // Only this file makes positions with these two fields, and the checkpoint's checksums hold.
    return position as FilePosition;
  }
  throw new StreamError(
    "corrupt",
    `Cannot open source "${source}": the restored position of "${path}" is not one of a file source; ` +
      "restore from a checkpoint that this source has written",
  );
}

/**
 * Reads files record by record, in a format of your own; see `lines`, `jsonLines` and `csv` for the usual ones.
 *
 * Files are dealt to subtasks one by one, in order, and each is read by one subtask. Names that end in `.gz` are
 * unpacked. A job that was restored reads exactly the files that its checkpoint knows, from where it was.
 */
export function fileSource<T>(paths: Paths, format: RecordFormat<T>, options: FileSourceOptions = {}): Source<T> {
  const { onMalformed = "fail", ratePerSecond, follow = false, pollIntervalMs = 200 } = options;
  checkRate(ratePerSecond);
  if (!(pollIntervalMs > 0)) {
    throw new RangeError(`Cannot follow files: pollIntervalMs is ${pollIntervalMs}, must be above 0`);
  }
  return {
    boundedness: follow ? "unbounded" : "bounded",
    replayable: true,
    async open(context: SourceContext): Promise<SourceReader<T>> {
      const { shares, fileCount } = await shareOf(context, paths);
      const readers = Math.min(context.parallelism, fileCount);
      const reading: FileReading<T> = {
        fileSystem: context.fileSystem,
        format,
        onMalformed,
        limiter: ratePerSecond === undefined ? null : new RateLimiter(context.clock, ratePerSecond / readers),
        follow,
        malformed: context.metrics.counter("malformedRecords"),
        fileCount,
      };
      for (const { file } of shares) if (follow) refusePacked(file.path);
      const splits = shares.map(({ file, position }) => new FileSplit(file.path, position, file.sizeBytes, reading));
      return new FileReader(splits, reading, context, pollIntervalMs);
    },
  };
}

function refusePacked(path: string): void {
  if (!isPacked(path)) return;
  throw new StreamError("invalid", `Cannot follow "${path}": it is packed, must be plain text; unpack it first`);
}
