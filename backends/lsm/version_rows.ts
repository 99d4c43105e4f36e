/**
 * All rows of versions that are alive, in order, read once and past the block cache. Versions of several trees have
 * different states, so none hides a row of another.
 *
 * Called by: frozen_version.ts (makes it).
 * Calls: level_cursor.ts, ../runs/merge_cursor.ts.
 *
 * Invariants:
 * - the versions are pinned by whoever made this, until it is closed;
 * - what it reads ahead is charged to the cache: a stretch for each run of level 0, and for each level.
 *
 * @module
 */
import type { MomentRows } from "../embedded/row_store.ts";
import type { BlockCache } from "../runs/block_cache.ts";
import { ofWorkingFile } from "../runs/file_failure.ts";
import { MergeCursor, type MergeInput } from "../runs/merge_cursor.ts";
import { LevelCursor } from "./level_cursor.ts";
import type { RunView, Version } from "./version.ts";

const NO_BYTES = new Uint8Array(0);

/** The rows of versions. */
export class VersionRows implements MomentRows {
  key: Uint8Array = NO_BYTES;
  keyBytes = 0;
  value: Uint8Array = NO_BYTES;
  valueStart = 0;
  valueEnd = 0;
  private readonly merge: MergeCursor;
  private chargedBytes: number;

  constructor(versions: readonly Version[], private readonly cache: BlockCache) {
    const inputs = versions.flatMap(inputsOf);
    this.chargedBytes = inputs.length * cache.stretchBytes;
    cache.charge(this.chargedBytes);
    this.merge = new MergeCursor(inputs);
  }

  seek(target: Uint8Array, boundBytes: number): void {
    try {
      this.merge.seek(target, target.length, boundBytes);
    } catch (error) {
      throw ofWorkingFile(error);
    }
  }

  next(): boolean {
    const { merge } = this;
    try {
      if (!merge.next()) return false;
    } catch (error) {
      throw ofWorkingFile(error);
    }
    this.key = merge.key;
    this.keyBytes = merge.keyBytes;
    this.value = merge.value;
    this.valueStart = merge.valueStart;
    this.valueEnd = merge.valueEnd;
    return true;
  }

  close(): void {
    this.merge.close();
    this.cache.charge(-this.chargedBytes);
    this.chargedBytes = 0;
  }
}

/** Oldest first: of each level its runs one behind the other, then those of level 0. */
function inputsOf({ levels }: Version): MergeInput[] {
  const inputs: MergeInput[] = [];
  for (let level = levels.length - 1; level > 0; level--) {
    const views = levels[level]!;
    if (views.length === 1) inputs.push(rowsOf(views[0]!));
    else if (views.length > 1) inputs.push(new LevelCursor(views));
  }
  for (const view of levels[0]!.toReversed()) inputs.push(rowsOf(view));
  return inputs;
}

function rowsOf({ file, keyGroups }: RunView): MergeInput {
  return file.run.rows(keyGroups);
}
