/**
 * A run in the working directory: open for reading as long as anybody needs it, then removed.
 *
 * Called by: version.ts (holds it), flush.ts, compaction.ts, restore.ts (make it), lsm_store.ts.
 * Calls: ../runs/open_run.ts, the FileSystem port.
 *
 * Invariants:
 * - its bytes never change;
 * - the file is removed when the last holder lets go of it, not before.
 *
 * @module
 */
import type { FileSystem } from "../../core/file_system.ts";
import type { KeyGroupRange } from "../../core/key_groups.ts";
import type { BlockCache } from "../runs/block_cache.ts";
import { OpenRun } from "../runs/open_run.ts";
import type { RunCursor } from "../runs/run_cursor.ts";
import type { LsmStatistics } from "./lsm_statistics.ts";

/** So many cursors of a file are kept. */
const MAX_IDLE = 4;

/** What run files share. */
export interface RunFilePorts {
  readonly fileSystem: FileSystem;
  readonly cache: BlockCache;
  readonly statistics: LsmStatistics;
  /** Those of the store that are open. */
  readonly files: Set<RunFile>;
  /** Files that are being removed. */
  readonly removals: Set<Promise<void>>;
}

/** What must be known of a file to open it. */
export interface RunFileFacts {
  readonly rowCount: number;
  readonly footerCrc32: number;
}

/** Which key groups are shown is up to the view: see version.ts. */
const ALL: KeyGroupRange = { start: 0, end: 0xffff };

/** A file of the working directory. Made without a holder: whoever makes it puts it into a version, or drops it. */
export class RunFile {
  /** Key groups of its first and last row. */
  readonly keyGroups: KeyGroupRange;
  readonly sizeBytes: number;
  readonly rowCount: number;
  readonly footerCrc32: number;
  private holders = 0;
  private gone = false;
  /** Closed cursors of short scans, to be used again: making one costs more than such a scan. */
  private readonly idle: RunCursor[] = [];

  private constructor(
    readonly path: string,
    readonly run: OpenRun,
    facts: RunFileFacts,
    private ports: RunFilePorts,
  ) {
    this.sizeBytes = run.sizeBytes;
    this.rowCount = facts.rowCount;
    this.footerCrc32 = facts.footerCrc32;
    const { firstKey, lastKey } = run;
    this.keyGroups = { start: keyGroupOf(firstKey), end: keyGroupOf(lastKey) };
    this.count(ports);
  }

  private count(ports: RunFilePorts): void {
    this.run.reads = ports.statistics;
    ports.files.add(this);
    ports.statistics.totalFileBytes += this.sizeBytes;
  }

  /** Makes it a file of another tree of the same store. */
  moveTo(ports: RunFilePorts): void {
    this.uncount();
    this.ports = ports;
    this.count(ports);
  }

  private uncount(): void {
    this.ports.files.delete(this);
    this.ports.statistics.totalFileBytes -= this.sizeBytes;
  }

  /**
   * Opens a file that is complete.
   *
   * @throws {SnapshotCorruptError} If it is not as it was written; @throws {StreamError} If it cannot be read.
   */
  static open(path: string, facts: RunFileFacts, ports: RunFilePorts): RunFile {
    const { rowCount, footerCrc32 } = facts;
    const run = OpenRun.openLocal(
      ports.fileSystem,
      path,
      { rowCount, footerCrc32, keyGroups: ALL },
      ports.cache,
    );
    return new RunFile(path, run, facts, ports);
  }

  /** A cursor for a short scan, through the cache; `seek` comes first, and `endScan` when it is closed. */
  startScan(): RunCursor {
    return this.idle.pop() ?? this.run.scan();
  }

  /** Takes back a closed cursor that `startScan` gave. */
  endScan(cursor: RunCursor): void {
    if (this.idle.length < MAX_IDLE) this.idle.push(cursor);
  }

  /** One more needs it. */
  retain(): void {
    this.holders++;
  }

  /** One fewer needs it. */
  release(): void {
    if (--this.holders <= 0) this.drop();
  }

  /** Closes and removes it, whoever holds it. */
  drop(): void {
    if (this.gone) return;
    this.gone = true;
    this.uncount();
    this.run.close();
    this.remove();
  }

  /** Not at once: a large file takes milliseconds. */
  private remove(): void {
    const { fileSystem, statistics, removals } = this.ports;
    const removal = fileSystem.remove(this.path).catch(() => {
      // Nobody reads it any more; the whole directory is removed at the end, and that failure is told.
      statistics.backgroundErrors++;
    }).finally(() => removals.delete(removal));
    removals.add(removal);
  }
}

/** Of a row key; 0 for that of a run without rows. */
function keyGroupOf(row: Uint8Array): number {
  return row.length < 2 ? 0 : (row[0]! << 8) | row[1]!;
}
