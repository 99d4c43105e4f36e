/**
 * Decides how much memory a slot has for state on disk. Pure.
 *
 * Called by: whoever makes backends from configuration.
 * Calls: backends/embedded/options.ts.
 *
 * @module
 */
import type { Configuration } from "../../core/config.ts";
import { StreamError } from "../../core/errors.ts";
import { DEFAULT_SLOT_BYTES, type EmbeddedOptions, MANAGED_MEMORY, TASK_SLOTS } from "./options.ts";
import type { SlotMemoryOptions } from "./slot_memory.ts";

/**
 * The memory of each slot: `fixed-per-slot`, else its part of managed memory, else its part of `fixed-per-tm`.
 *
 * Source: Flink's `RocksDBMemoryConfiguration`, which also says which ratios go together. Its formulas, which make up
 * for what RocksDB takes beyond its limits, do not apply here.
 *
 * @param slots Slots that the job needs, ≥ 1.
 * @throws {StreamError} If the shares do not go together or a slot gets no memory.
 */
export function slotMemorySettings(
  configuration: Configuration,
  options: EmbeddedOptions,
  slots: number,
): SlotMemoryOptions {
  const writeBufferRatio = configuration.get(options.writeBufferRatio);
  const highPriorityPoolRatio = configuration.get(options.highPriorityPoolRatio);
  checkShares(options, writeBufferRatio, highPriorityPoolRatio);
  const bytes = slotBytes(configuration, options, Math.max(slots, configuration.get(TASK_SLOTS) ?? 1));
  if (bytes < 1) {
    const total = configuration.get(configuration.get(options.managed) ? MANAGED_MEMORY : options.fixedPerTm);
    if (total === 0) {
      throw new StreamError(
        "invalid",
        `Cannot keep state on disk without memory: ${MANAGED_MEMORY.key} from ${
          configuration.originOf(MANAGED_MEMORY)
        } ` +
          `is 0, which suits state on the heap alone; raise it, remove it (128 mb for each slot), or set ` +
          options.fixedPerSlot.key,
      );
    }
    throw new StreamError(
      "invalid",
      `Cannot divide the memory of state on disk among ${slots} slots: less than a byte is left for each; raise ` +
        `${MANAGED_MEMORY.key} or set ${options.fixedPerSlot.key}`,
    );
  }
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

/** With RocksDB, write buffers and the high-priority pool must fit into the cache together: a Flink user's file does. */
function checkShares(options: EmbeddedOptions, write: number, pool: number): void {
  if ((2 * write) / (3 - write) + pool < 1) return;
  throw new StreamError(
    "invalid",
    `Cannot divide the memory of a slot: with ${options.writeBufferRatio.key} ${write} and ` +
      `${options.highPriorityPoolRatio.key} ${pool} too little is left for blocks; lower one of them`,
  );
}
