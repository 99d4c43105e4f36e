/**
 * Decides how much memory a slot has for state on disk. Pure.
 *
 * Called by: whoever makes backends from configuration.
 * Calls: options.ts, arena.ts.
 *
 * @module
 */
import type { Configuration } from "../../core/config.ts";
import { StreamError } from "../../core/errors.ts";
import { MIN_ARENA_BYTES } from "./arena.ts";
import { DEFAULT_SLOT_BYTES, type EmbeddedOptions, MANAGED_MEMORY, TASK_SLOTS } from "./options.ts";
import type { SlotMemoryOptions } from "./slot_memory.ts";

/**
 * The memory of each slot: `fixed-per-slot`, else its part of managed memory, else its part of `fixed-per-tm`.
 *
 * Source: Flink's `RocksDBMemoryConfiguration`, which also says which ratios go together. Its formulas, which make up
 * for what RocksDB takes beyond its limits, do not apply here.
 *
 * @param slots Slots that the job needs, ≥ 1.
 * @throws {StreamError} If the shares do not go together or a slot gets too little memory.
 */
export function slotMemorySettings(
  configuration: Configuration,
  options: EmbeddedOptions,
  slots: number,
): SlotMemoryOptions {
  const writeBufferRatio = configuration.get(options.writeBufferRatio);
  const highPriorityPoolRatio = configuration.get(options.highPriorityPoolRatio);
  checkShares(options, writeBufferRatio, highPriorityPoolRatio);
  const parts = Math.max(slots, configuration.get(TASK_SLOTS) ?? 1);
  const bytes = slotBytes(configuration, options, parts);
  if (!(bytes * writeBufferRatio >= MIN_ARENA_BYTES)) refuse(configuration, options, parts, bytes);
  return { bytes, writeBufferRatio, highPriorityPoolRatio };
}

/** Whether the operators of a slot share a memory; if not, each has what its own options say, or a slot's share. */
export function isMemoryShared(configuration: Configuration, options: EmbeddedOptions): boolean {
  if (configuration.get(options.fixedPerSlot) !== undefined || configuration.get(options.managed)) return true;
  return configuration.get(options.fixedPerTm) !== undefined;
}

function slotBytes(configuration: Configuration, options: EmbeddedOptions, slots: number): number {
  const perSlot = configuration.get(options.fixedPerSlot);
  if (perSlot !== undefined) return perSlot;
  const total = configuration.get(configuration.get(options.managed) ? MANAGED_MEMORY : options.fixedPerTm);
  return total === undefined ? DEFAULT_SLOT_BYTES : Math.floor(total / slots);
}

/** Refuses what `SlotMemory` would, when nothing runs yet. */
function refuse(configuration: Configuration, options: EmbeddedOptions, slots: number, bytes: number): never {
  const { fixedPerSlot, fixedPerTm, managed, writeBufferRatio } = options;
  const refusal = (text: string) => new StreamError("invalid", text);
  const least = Math.ceil(MIN_ARENA_BYTES / configuration.get(writeBufferRatio));
  if (configuration.get(fixedPerSlot) !== undefined) {
    throw refusal(
      `Cannot keep state on disk in so little memory: "${fixedPerSlot.key}" from ` +
        `${configuration.originOf(fixedPerSlot)} is ${bytes} bytes, must be ${least} or more; raise it or ` +
        writeBufferRatio.key,
    );
  }
  const total = configuration.get(managed) ? MANAGED_MEMORY : fixedPerTm;
  const from = `${total.key} from ${configuration.originOf(total)}`;
  if (configuration.get(total) === 0) {
    throw refusal(
      `Cannot keep state on disk without memory: ${from} is 0, which suits state on the heap alone; raise it, ` +
        `remove it (128 mb for each slot), or set ${fixedPerSlot.key}`,
    );
  }
  throw refusal(
    `Cannot divide the memory of state on disk among ${slots} slots: ${bytes} bytes are left for each, must be ` +
      `${least} or more; raise ${from}, or set ${fixedPerSlot.key}`,
  );
}

/** With RocksDB, write buffers and the high-priority pool must fit into the cache together: a Flink user's file does. */
function checkShares(options: EmbeddedOptions, write: number, pool: number): void {
  if ((2 * write) / (3 - write) + pool < 1) return;
  throw new StreamError(
    "invalid",
    `Cannot divide the memory of a slot: with ${options.writeBufferRatio.key} ${write} and ` +
      `${options.highPriorityPoolRatio.key} ${pool} too little is left for blocks; lower one of them`,
  );
}
