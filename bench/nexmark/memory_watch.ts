/**
 * Notes how the memory of a job grows with what it has read.
 *
 * Called by: bench/nexmark/run_query.ts.
 * Calls: nothing.
 *
 * @module
 */
import process from "node:process";
import type { Job } from "../../mod.ts";

/** Between two looks at the memory, milliseconds. */
const LOOK_INTERVAL_MS = 1_000;

/** Notes the resident memory whenever another tenth of the events has been read. */
export class MemoryWatch {
  readonly #residentBytes: number[] = [];
  readonly #timer: ReturnType<typeof setInterval>;

  constructor(job: Job, events: number) {
    this.#timer = setInterval(() => {
      const tenths = Math.floor(job.progress().recordsIn / events * 10);
      while (this.#residentBytes.length < tenths) this.#residentBytes.push(process.memoryUsage().rss);
    }, LOOK_INTERVAL_MS);
  }

  /** After each tenth, as far as looked at; stops. */
  end(): readonly number[] {
    clearInterval(this.#timer);
    return this.#residentBytes;
  }
}
