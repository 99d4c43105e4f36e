/**
 * Books what the snapshots of one backend need to know: the epoch, who was touched in it, and which snapshots run.
 *
 * An epoch ends with each snapshot. The first touch of an entry in an epoch (a write, or handing out an object) keeps
 * what the entry holds for every running snapshot that lacks it, and lists the entry for the next increment.
 *
 * Called by: the handles, heap_backend.ts, heap_snapshot.ts.
 * Calls: the running snapshots.
 *
 * Invariants:
 * - an entry whose epoch is the current one needs no booking;
 * - a list of changes holds an entry at most once, and holds each entry whose epoch is that of the list;
 * - without increments, or before there is a snapshot to build on, nothing is listed.
 *
 * @module
 */
import type { Key } from "../../core/key.ts";
import { type Entry, GONE, GONE_UNSEEN, type ListItems, MapCells } from "./entry.ts";

/** Entries touched in one epoch. */
export interface ChangeList {
  readonly epoch: number;
  readonly entries: Entry[];
}

/** A snapshot that is being written, as the ledger sees it. */
export interface RunningSnapshot {
  /** Keeps the value of `entry`, which is about to be replaced or removed, unless the snapshot has or never had it. */
  retain(entry: Entry): void;
  /** The same for a value that is about to be handed out, and so must be written down now. */
  retainBytes(entry: Entry): void;
  /** The same for the elements of a list, before they are handed out. */
  retainItems(entry: Entry, items: ListItems): void;
}

/** Below this many changes of one epoch nobody looks for dead ones. */
const FIRST_COMPACTION = 4096;

/** The shared heart of a backend; its fields are read on the record path. */
export class Ledger {
  /** The current key. */
  key: Key | undefined = undefined;
  /** Changes whenever what a handle has looked up may be stale. */
  version = 0;
  /** Counts snapshots, from 1; restored entries are of epoch 0. */
  epoch = 1;
  /** Entries in all tables. */
  entryCount = 0;
  /** Row number that the next list element takes. */
  nextListNumber = 0;
  /** Whether changes are listed. */
  tracking = false;
  /** Snapshots whose asynchronous part has not ended. */
  readonly running: RunningSnapshot[] = [];
  private changes: Entry[] = [];
  private compactAt = FIRST_COMPACTION;

  /** Books the replacement or removal of what `entry` holds. Only for an entry of an earlier epoch. */
  touch(entry: Entry): void {
    const running = this.running;
    for (let i = 0; i < running.length; i++) running[i]!.retain(entry);
    entry.epoch = this.epoch;
    if (this.tracking) this.list(entry);
  }

  /** Books that the object which `entry` holds is handed out. Only for an entry of an earlier epoch. */
  expose(entry: Entry): void {
    const running = this.running;
    for (let i = 0; i < running.length; i++) running[i]!.retainBytes(entry);
    entry.epoch = this.epoch;
    if (this.tracking) this.list(entry);
  }

  /** Books that the elements of a list are handed out. Only for items that were exposed in an earlier epoch, or never. */
  exposeItems(entry: Entry, items: ListItems): void {
    for (let i = 0; i < this.running.length; i++) this.running[i]!.retainItems(entry, items);
    items.exposedEpoch = this.epoch;
    if (entry.epoch !== this.epoch) this.touch(entry);
  }

  /** Books a new entry, whose epoch is the current one. */
  born(entry: Entry): void {
    if (this.tracking) this.list(entry);
  }

  /** Books that `entry`, touched in this epoch, was removed. */
  gone(entry: Entry): void {
    entry.birth = entry.birth === this.epoch ? GONE_UNSEEN : GONE;
    entry.value = entry.value instanceof MapCells ? entry.value : undefined;
  }

  private list(entry: Entry): void {
    if (this.changes.push(entry) >= this.compactAt) this.compact();
  }

  /** Drops changes that no increment needs: what came and went within this epoch. */
  private compact(): void {
    this.changes = this.changes.filter((entry) => !leavesNothing(entry));
    this.compactAt = Math.max(FIRST_COMPACTION, this.changes.length * 2);
  }

  /** Ends the epoch; returns what was touched in it. O(1). */
  nextEpoch(): ChangeList {
    const list = { epoch: this.epoch++, entries: this.changes };
    this.changes = [];
    this.compactAt = FIRST_COMPACTION;
    return list;
  }

  /** Forgets the changes of this epoch. */
  forgetChanges(): void {
    this.changes = [];
    this.compactAt = FIRST_COMPACTION;
  }
}

function leavesNothing(entry: Entry): boolean {
  if (entry.birth === GONE_UNSEEN) return true;
  const owner = entry.owner;
  // The row that clears the map speaks for its cells.
  return owner instanceof MapCells && owner.entry!.birth < 0;
}
