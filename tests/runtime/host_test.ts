/** How long subtasks run between two turns of the event loop. */
import { deepEqual } from "node:assert/strict";
import { test } from "node:test";
import type { FileSystem } from "../../core/file_system.ts";
import { Host } from "../../runtime/host.ts";
import type { Subtask } from "../../runtime/subtask.ts";
import { ManualClock } from "../support/manual_clock.ts";

/** A subtask that always has work, and notes what it was given. */
function busySubtask(budgets: number[]): Subtask {
  const subtask = {
    isScheduled: false,
    runSlice(budgetMs: number): boolean {
      budgets.push(budgetMs);
      return true;
    },
  };
  return subtask as unknown as Subtask; // the host uses nothing else of it
}

test("Host makes its rounds short while a file operation is under way, and shares each among the subtasks", () => {
  const clock = new ManualClock();
  const files = { pendingCount: 0 };
  const host = new Host(clock, files as unknown as FileSystem); // the host uses nothing else of it
  const budgets: number[] = [];
  host.schedule(busySubtask(budgets));
  clock.runDeferred();
  files.pendingCount = 2;
  clock.runDeferred();
  files.pendingCount = 0;
  host.schedule(busySubtask(budgets));
  clock.runDeferred();
  deepEqual(budgets, [12, 2, 6, 6]);
});

test("Host makes long rounds when nobody counts file operations", () => {
  const clock = new ManualClock();
  const host = new Host(clock, {} as FileSystem); // the host uses nothing but an optional count
  const budgets: number[] = [];
  host.schedule(busySubtask(budgets));
  clock.runDeferred();
  deepEqual(budgets, [12]);
});
