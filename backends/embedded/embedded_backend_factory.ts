/**
 * Makes backends that keep their state in a store of one kind, behind write buffers in the memory of their slot.
 *
 * Called by: whoever chooses the backend of a job; tests and benches of such stores.
 * Calls: embedded_backend.ts, buffered_rows.ts, buffer_metrics.ts, slot_memories.ts.
 *
 * @module
 */
import type { StateBackend, StateBackendContext, StateBackendFactory } from "../../core/backend.ts";
import type { MemoryReport, SlotMemoryReport } from "../../core/backend_memory.ts";
import { BufferMetrics } from "./buffer_metrics.ts";
import { BufferedRows } from "./buffered_rows.ts";
import { EmbeddedBackend } from "./embedded_backend.ts";
import type { RowStoreFactory } from "./row_store.ts";
import { SlotMemories } from "./slot_memories.ts";
import type { SlotMemoryOptions } from "./slot_memory.ts";

/** Settings of the backends of one job. */
export interface EmbeddedBackendFactoryOptions {
  /** Memory of each slot, shared by all backends in it, unless `sharesMemory` is false. */
  readonly memory: SlotMemoryOptions;
  /** False: each backend has `memory` for itself. Default true. */
  readonly sharesMemory?: boolean;
  /** Folder on a local disk; each backend works in a folder of its own in there, which it removes. */
  readonly directory: string;
  /** Size from which a write buffer is flushed though the slot has memory left; see `BufferedRowsOptions`. */
  readonly maxBufferBytes?: number;
  /** Names of the native metrics to report; those that are not of write buffers are the store's. Default none. */
  readonly metrics?: readonly string[];
  /** Whether the state is a variable of its metrics instead of a part of their names. Default false. */
  readonly columnFamilyAsVariable?: boolean;
  /** See `EmbeddedBackendOptions`. */
  readonly checkKeyGroups?: boolean;
}

/** The factory of the backends that keep their rows in stores of `stores`. */
export function embeddedBackendFactory(
  stores: RowStoreFactory,
  options: EmbeddedBackendFactoryOptions,
): StateBackendFactory {
  const memories = new SlotMemories(options.memory);
  return {
    name: stores.name,
    create: (context) => makeBackend(stores, options, memories, context),
    memoryReport: () => memoryReport(stores.name, memories),
  };
}

function memoryReport(backend: string, memories: SlotMemories): MemoryReport {
  const slots = memories.report();
  const sum = (bytesOf: (slot: SlotMemoryReport) => number) => slots.reduce((bytes, slot) => bytes + bytesOf(slot), 0);
  return { backend, totalBytes: sum((slot) => slot.capBytes), usedBytes: sum((slot) => slot.usedBytes), slots };
}

function makeBackend(
  stores: RowStoreFactory,
  options: EmbeddedBackendFactoryOptions,
  memories: SlotMemories,
  context: StateBackendContext,
): StateBackend {
  const { operatorName, clock, random, slotIndex } = context;
  const isShared = options.sharesMemory ?? true;
  const memory = isShared ? memories.acquire(slotIndex) : memories.acquireAlone(slotIndex);
  const { metrics: names = [], columnFamilyAsVariable: asVariable = false } = options;
  const reported = new BufferMetrics(names, context.metrics, asVariable);
  return new EmbeddedBackend(context, {
    checkKeyGroups: options.checkKeyGroups ?? false,
    openStore: (states) =>
      stores.open({ ...context, ...states, directory: `${options.directory}/${random.id()}`, memory }),
    onState: (name) => reported.reportState(name),
    bufferRows: (store, states) => {
      const rows = new BufferedRows({
        operatorName,
        backendName: stores.name,
        store,
        memory,
        clock,
        ...(options.maxBufferBytes === undefined ? {} : { maxBufferBytes: options.maxBufferBytes }),
      });
      reported.use(rows, states);
      return rows;
    },
    onClosed: () => isShared ? memories.release(slotIndex) : memories.releaseAlone(memory),
  });
}
