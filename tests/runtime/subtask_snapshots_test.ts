import { deepEqual, equal } from "node:assert/strict";
import { test } from "node:test";
import type { PendingSnapshot } from "../../core/backend.ts";
import type { Barrier } from "../../core/element.ts";
import type { SnapshotFigures, SnapshotStore } from "../../core/snapshot.ts";
import { NO_LISTS, type OperatorSnapshotParts } from "../../runtime/operator.ts";
import { SubtaskSnapshots } from "../../runtime/subtask_snapshots.ts";
import { ManualClock } from "../support/manual_clock.ts";

const BARRIER: Barrier = { checkpointId: 7, timestampMs: 0, type: "checkpoint", full: false, format: null };
const ARRIVAL = { barrier: BARRIER, alignmentMs: 3, startDelayMs: 4 };
const STORE: SnapshotStore = { create: () => Promise.reject(new Error("nothing is written here")) };

/** One operator whose synchronous part takes 5 ms and whose asynchronous part ends when `finish` is called. */
class Bench {
  readonly clock = new ManualClock();
  readonly log: string[] = [];
  readonly figures: SnapshotFigures[] = [];
  finish: (outcome: "written" | Error) => void = () => {};
  readonly snapshots: SubtaskSnapshots;

  constructor() {
    const keyed: PendingSnapshot = {
      write: () =>
        new Promise((resolve, reject) => {
          this.finish = (outcome) => outcome === "written" ? resolve(null) : reject(outcome);
        }),
      cancel: (reason) => this.finish(reason),
    };
    const operator = {
      id: "op",
      snapshot: (): OperatorSnapshotParts => {
        this.clock.advance(5);
        this.log.push("synchronous part");
        return { keyed, lists: () => Promise.resolve(NO_LISTS) };
      },
      checkpointAborted: (id: number) => this.log.push(`aborted ${id}`),
    };
    const subtask = { operators: [operator], forward: () => this.log.push("barrier") };
    // Snapshots ask a subtask for no more than its operators and its way downstream.
    this.snapshots = new SubtaskSnapshots(subtask as never, this.clock, {
      store: () => STORE,
      acknowledge: (id, _snapshot, figures) => {
        this.log.push(`acknowledged ${id}`);
        this.figures.push(figures);
      },
      decline: (id, error) => this.log.push(`declined ${id}: ${error.message}`),
    });
  }
}

test("SubtaskSnapshots tells the time of the synchronous and of the asynchronous part apart [54]", async () => {
  const bench = new Bench();
  bench.snapshots.take(ARRIVAL);
  deepEqual(bench.log, ["synchronous part", "barrier"]);
  await bench.clock.settle();
  bench.clock.advance(40);
  bench.finish("written");
  await bench.clock.settle();
  equal(bench.log.at(-1), "acknowledged 7");
  const { syncMs, asyncMs, alignmentMs, startDelayMs } = bench.figures[0]!;
  deepEqual({ syncMs, asyncMs, alignmentMs, startDelayMs }, {
    syncMs: 5,
    asyncMs: 40,
    alignmentMs: 3,
    startDelayMs: 4,
  });
});

test("SubtaskSnapshots ends the asynchronous part of an aborted checkpoint, and no other [185]", async () => {
  const bench = new Bench();
  bench.snapshots.take(ARRIVAL);
  await bench.clock.settle();
  bench.snapshots.abort(6);
  await bench.clock.settle();
  deepEqual(bench.log.slice(2), ["aborted 6"]);
  bench.snapshots.abort(7);
  await bench.clock.settle();
  deepEqual(bench.log.slice(3), ["aborted 7", "declined 7: checkpoint 7 was aborted"]);
});

test("SubtaskSnapshots tells operators of an abort that comes after the asynchronous part, and ends nothing [185]", async () => {
  const bench = new Bench();
  bench.snapshots.take(ARRIVAL);
  await bench.clock.settle();
  bench.finish("written");
  await bench.clock.settle();
  bench.finish = () => bench.log.push("cancelled");
  bench.snapshots.abort(7);
  await bench.clock.settle();
  deepEqual(bench.log.slice(2), ["acknowledged 7", "aborted 7"]);
});
