/**
 * The memories of the slots of one process, each shared by the embedded backends in its slot.
 *
 * Called by: the factories of embedded backends.
 * Calls: slot_memory.ts, slot_memory_report.ts.
 *
 * @module
 */
import type { SlotMemoryReport } from "../../core/backend_memory.ts";
import { slotMemoryReport } from "./slot_memory_report.ts";
import { SlotMemory, type SlotMemoryOptions } from "./slot_memory.ts";

interface Shared {
  readonly memory: SlotMemory;
  users: number;
}

/** Memories by slot; each is made for its first user and freed with its last. */
export class SlotMemories {
  private readonly slots = new Map<number, Shared>();
  /** Memories that are not shared, with the slots of their users. */
  private readonly alone = new Map<SlotMemory, number>();

  /** @param options How each slot's memory is divided. */
  constructor(private readonly options: SlotMemoryOptions) {}

  /** The memory of a slot, for one more user. @throws {StreamError} If the options leave nothing. */
  acquire(slotIndex: number): SlotMemory {
    let slot = this.slots.get(slotIndex);
    if (slot === undefined) {
      slot = { memory: new SlotMemory(this.options), users: 0 };
      this.slots.set(slotIndex, slot);
    }
    slot.users++;
    return slot.memory;
  }

  /** One user less. */
  release(slotIndex: number): void {
    const slot = this.slots.get(slotIndex);
    if (slot === undefined) throw new RangeError(`Cannot release the memory of slot ${slotIndex}: nobody uses it`);
    if (--slot.users > 0) return;
    this.slots.delete(slotIndex);
    slot.memory[Symbol.dispose]();
  }

  /** A memory for one user alone, of the size of a slot's. @throws {StreamError} If the options leave nothing. */
  acquireAlone(slotIndex: number): SlotMemory {
    const memory = new SlotMemory(this.options);
    this.alone.set(memory, slotIndex);
    return memory;
  }

  /** Its user is gone. */
  releaseAlone(memory: SlotMemory): void {
    this.alone.delete(memory);
    memory[Symbol.dispose]();
  }

  /** Who holds how many bytes, slot by slot. */
  report(): readonly SlotMemoryReport[] {
    const shared = [...this.slots].map(([slotIndex, { memory }]) => slotMemoryReport(slotIndex, memory));
    const alone = [...this.alone].map(([memory, slotIndex]) => slotMemoryReport(slotIndex, memory));
    return [...shared, ...alone].sort((left, right) => left.slotIndex - right.slotIndex);
  }

  /** Slots in use. */
  get size(): number {
    return this.slots.size;
  }
}
