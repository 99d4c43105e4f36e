/**
 * Uploads what a store held at a moment: the run files that the last confirmed checkpoint does not have; or gives its
 * rows. The trees of a store are one moment, and one upload.
 *
 * Called by: lsm_store.ts, column_families.ts (make it).
 * Calls: ../states/file_upload.ts, uploaded_runs.ts, version_rows.ts.
 *
 * Invariants:
 * - the versions are pinned until `release`, so no file goes away while it is uploaded;
 * - the runs of one tree follow one another in the list, oldest first;
 * - after a failure or cancellation the files that were uploaded for the snapshot are discarded.
 *
 * @module
 */
import type { Clock } from "../../core/clock.ts";
import { StreamError } from "../../core/errors.ts";
import type { FileSystem } from "../../core/file_system.ts";
import type { FileRef, RunHandle, SnapshotStore } from "../../core/snapshot.ts";
import type { FrozenStore, MomentRows, StoreSnapshot, StoreSnapshotRequest } from "../embedded/row_store.ts";
import type { BlockCache } from "../runs/block_cache.ts";
import { FileUpload } from "../states/file_upload.ts";
import type { LsmStatistics } from "./lsm_statistics.ts";
import type { RunFile } from "./run_file.ts";
import type { UploadedRuns } from "./uploaded_runs.ts";
import type { RunView, Version } from "./version.ts";
import { VersionRows } from "./version_rows.ts";

/** What an upload needs of its store. */
export interface UploadContext {
  readonly operatorName: string;
  readonly fileSystem: FileSystem;
  readonly clock: Clock;
}

/** A tree of runs. */
export interface FrozenTree {
  /** What there is now, held for the caller. */
  pin(): Version;
  readonly ports: {
    readonly statistics: LsmStatistics;
    /** Memory for reading all rows is charged to it. */
    readonly cache: BlockCache;
  };
}

/**
 * What trees hold now.
 *
 * @param trees At least one; those of one store.
 * @param uploaded Null when snapshots do not build on each other.
 */
export function freezeTrees(
  trees: readonly FrozenTree[],
  context: UploadContext,
  uploaded: UploadedRuns<RunFile> | null,
): FrozenStore {
  return new FrozenVersion(trees, context, uploaded);
}

/** Pinned versions, and how to upload them. */
class FrozenVersion implements FrozenStore {
  private readonly versions: readonly Version[];
  private started = false;
  private pinned = true;

  constructor(
    private readonly trees: readonly FrozenTree[],
    private readonly context: UploadContext,
    private readonly uploaded: UploadedRuns<RunFile> | null,
  ) {
    this.versions = trees.map((tree) => tree.pin());
    for (const { ports } of trees) ports.statistics.snapshots++;
  }

  async write(request: StoreSnapshotRequest, target: SnapshotStore, signal: AbortSignal): Promise<StoreSnapshot> {
    this.start();
    const { fileSystem, clock } = this.context;
    const uploaded = request.full ? null : this.uploaded;
    const scope = uploaded === null ? "exclusive" : "shared";
    const upload = new FileUpload({ store: target, scope, signal, fileSystem, clock });
    const runs: RunHandle[] = [];
    try {
      const files = await this.bringFiles(upload, uploaded);
      for (const version of this.versions) {
        for (const [level, view] of oldestFirst(version)) {
          const { file, keyGroups } = view;
          const ref = files.get(file)!; // all are there
          runs.push({ file: ref, level, keyGroups, rowCount: file.rowCount, footerCrc32: file.footerCrc32 });
        }
      }
      signal.throwIfAborted();
      uploaded?.written(request.checkpointId, files);
      return { runs, incrementBytes: upload.sizeBytes };
    } catch (error) {
      await upload.discard(error);
      throw error;
    }
  }

  /** Every file by what it is called in the snapshot; uploads those that the last confirmed one does not hold. */
  private async bringFiles(
    upload: FileUpload,
    uploaded: UploadedRuns<RunFile> | null,
  ): Promise<Map<RunFile, FileRef>> {
    const files = new Map<RunFile, FileRef>();
    const missing = new Set<RunFile>();
    for (const version of this.versions) {
      for (const [, { file }] of oldestFirst(version)) {
        const known = uploaded?.basis.get(file);
        if (known === undefined) missing.add(file);
        else files.set(file, known);
      }
    }
    const refs = await upload.files([...missing]);
    [...missing].forEach((file, i) => files.set(file, refs[i]!));
    return files;
  }

  rows(): MomentRows {
    this.start();
    return new VersionRows(this.versions, this.trees[0]!.ports.cache);
  }

  private start(): void {
    if (this.started || !this.pinned) {
      const state = this.started ? "it was written already" : "it was released";
      throw new StreamError("invalid", `Cannot write a snapshot of "${this.context.operatorName}": ${state}`);
    }
    this.started = true;
  }

  release(): void {
    if (!this.pinned) return;
    this.pinned = false;
    for (const { ports } of this.trees) ports.statistics.snapshots--;
    for (const version of this.versions) version.release();
  }
}

/** Deepest level first, of level 0 the oldest first. */
function* oldestFirst(version: Version): Generator<readonly [level: number, view: RunView]> {
  for (let level = version.levels.length - 1; level > 0; level--) {
    for (const view of version.levels[level]!) yield [level, view];
  }
  for (const view of version.levels[0]!.toReversed()) yield [0, view];
}
