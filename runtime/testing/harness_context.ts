/**
 * What a harness is made of: the context that its operator gets, with a clock and files that exist in memory alone.
 *
 * Called by: runtime/testing/actor_harness.ts.
 * Calls: the files beside it.
 *
 * @module
 */
import { keyGroupRangeOf } from "../../core/key_groups.ts";
import type { KeyedStateHandle, OperatorList } from "../../core/snapshot.ts";
import { nameOfActor } from "../feedback/actor_ref.ts";
import type { ActorOptions } from "../keyed_stream.ts";
import { MetricRegistry } from "../metrics.ts";
import type { OperatorContext, OperatorRestore } from "../operator.ts";
import { DEFAULT_TIMER_CACHE_SIZE } from "../timer_options.ts";
import { type HarnessBackend, harnessBackendFactory } from "./harness_backends.ts";
import { HarnessTask, type Steppable } from "./harness_task.ts";
import { ManualClock } from "./manual_clock.ts";
import { MemoryFileSystem } from "./memory_file_system.ts";
import { MemorySnapshots } from "./memory_snapshot_store.ts";
import { SeededRandom } from "./seeded_random.ts";
import { listeningFeedback, type ToldMessage } from "./told_messages.ts";

/** As in a job whose configuration does not say. */
const MAX_PARALLELISM = 128;

/** State and timers of a harness at one moment. Of no use but to be restored; it does not change any more. */
export interface HarnessSnapshot {
  /** Null when there is none. */
  readonly keyed: KeyedStateHandle | null;
  /** What belongs to no key, such as the watermark. */
  readonly lists: Readonly<Record<string, OperatorList>>;
  /** Number of key groups. */
  readonly maxParallelism: number;
  /** Wall clock, milliseconds since the epoch. */
  readonly nowMs: number;
}

/** How a harness is made. */
export interface HarnessOptions {
  /** Of the step, for errors. Default "actor". */
  readonly name?: string;
  /** Where state is kept. Default "heap". */
  readonly backend?: HarnessBackend;
  /** Actors that it tells messages; of a step, as the step says. */
  readonly tells?: ActorOptions["tells"];
  /** Subtasks that the step would have, of which the harness is one. Default 1. */
  readonly parallelism?: number;
  /** Which of them, 0-based. Default 0. */
  readonly subtaskIndex?: number;
  /** Default 128, or that of the snapshot. */
  readonly maxParallelism?: number;
  /** Wall clock at the start, milliseconds since the epoch. Default 0, or that of the snapshot. */
  readonly startMs?: number;
  /** What it goes on from: the snapshots of one harness, or of each subtask if there were several. */
  readonly restore?: HarnessSnapshot | readonly HarnessSnapshot[];
}

/** What a harness and the context of its operator share. */
export interface HarnessParts {
  readonly options: HarnessOptions;
  readonly clock: ManualClock;
  readonly task: HarnessTask;
  readonly told: ToldMessage[];
  /** Set once it is made. */
  operator: Steppable | null;
}

/** What the operator of a harness is made with, and what the harness drives it by. */
export async function prepareHarness(
  options: HarnessOptions,
): Promise<{ readonly context: OperatorContext; readonly parts: HarnessParts }> {
  const { name = "actor", tells = [], backend = "heap", parallelism = 1, subtaskIndex = 0 } = options;
  const restored = [options.restore ?? []].flat();
  const maxParallelism = options.maxParallelism ?? restored[0]?.maxParallelism ?? MAX_PARALLELISM;
  checkRestored(restored, maxParallelism);
  const clock = new ManualClock({ startMs: options.startMs ?? Math.max(0, ...restored.map(({ nowMs }) => nowMs)) });
  const told: ToldMessage[] = [];
  const parts: HarnessParts = { options, clock, told, operator: null, task: new HarnessTask(() => parts.operator!) };
  const context: OperatorContext = {
    operatorId: name,
    operatorName: name,
    subtaskIndex,
    slotIndex: subtaskIndex,
    parallelism,
    maxParallelism,
    keyGroups: keyGroupRangeOf(subtaskIndex, { parallelism, maxParallelism }),
    clock,
    random: new SeededRandom(),
    fileSystem: new MemoryFileSystem(() => clock.nowMs()),
    metrics: new MetricRegistry("harness").operator(name, name, subtaskIndex),
    backendFactory: await harnessBackendFactory(backend),
    incremental: false,
    timers: { kind: null, cacheSize: DEFAULT_TIMER_CACHE_SIZE },
    stateLatency: null,
    watermarkIntervalMs: 0,
    isLastKeyed: true,
    task: parts.task,
    start: { kind: "fresh" },
    restore: restored.length === 0 ? null : restoreOf(restored),
    feedback: tells.length === 0 ? null : listeningFeedback(name, tells.map(nameOfActor), maxParallelism, told),
  };
  return { context, parts };
}

function checkRestored(restored: readonly HarnessSnapshot[], maxParallelism: number): void {
  const other = restored.find((snapshot) => snapshot.maxParallelism !== maxParallelism);
  if (other === undefined) return;
  throw new RangeError(
    `Cannot restore a snapshot of ${other.maxParallelism} key groups into ${maxParallelism}: their number never changes`,
  );
}

/** Lists of operators with keyed state are given to every subtask. */
function restoreOf(snapshots: readonly HarnessSnapshot[]): OperatorRestore {
  const lists: Record<string, OperatorList> = {};
  for (const [name, list] of snapshots.flatMap((snapshot) => Object.entries(snapshot.lists))) {
    const known = lists[name];
    lists[name] = known === undefined ? list : { ...known, items: [...known.items, ...list.items] };
  }
  // All bytes are in the handles, so any reader has them.
  return {
    checkpointId: 1,
    keyed: snapshots.flatMap(({ keyed }) => keyed ?? []),
    lists,
    reader: new MemorySnapshots(),
  };
}
