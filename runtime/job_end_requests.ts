/**
 * Remembers how a job was asked to end, until it has.
 *
 * Called by: runtime/job_run.ts.
 * Calls: nothing.
 *
 * Invariants:
 * - a cancel takes the place of a stop, nothing takes the place of a cancel;
 * - every request for a savepoint is taken out by whoever settles it.
 *
 * @module
 */
import type { CheckpointProperties } from "../checkpoint/checkpoint_properties.ts";
import type { CompletedCheckpoint } from "../checkpoint/completed_checkpoint.ts";

/** An end that is never taken back. */
export type EndRequest = "stop" | "cancel";

/** The wish to stop with a savepoint; the job goes on when that fails. */
export interface SavepointStop {
  readonly properties: Partial<CheckpointProperties>;
  /** Ends the inputs first. */
  readonly drain: boolean;
  resolve(savepoint: CompletedCheckpoint): void;
  reject(error: Error): void;
}

/** The requests of one job. */
export class EndRequests {
  #request: EndRequest | null = null;
  #savepointStop: SavepointStop | null = null;
  #asked: Promise<void>;
  #raise: () => void = () => {};

  /** Nothing is asked for. */
  constructor() {
    this.#asked = this.#unasked();
  }

  /** How the job was asked to end for good; null while it was not. */
  get request(): EndRequest | null {
    return this.#request;
  }

  /** Whether anything is asked for. */
  get isEmpty(): boolean {
    return this.#request === null && this.#savepointStop === null;
  }

  /** Resolves when something is asked for. */
  get asked(): Promise<void> {
    return this.#asked;
  }

  /** @returns False when it changes nothing. */
  ask(request: EndRequest): boolean {
    if (this.#request === "cancel" || this.#request === request) return false;
    this.#request = request;
    this.#raise();
    return true;
  }

  /** Only while nothing else is asked for. */
  askForSavepoint(stop: SavepointStop): void {
    this.#savepointStop = stop;
    this.#raise();
  }

  /** Takes the wish for a savepoint out. */
  takeSavepointStop(): SavepointStop | null {
    const stop = this.#savepointStop;
    this.#savepointStop = null;
    if (stop !== null && this.#request === null) this.#asked = this.#unasked();
    return stop;
  }

  #unasked(): Promise<void> {
    return new Promise((resolve) => this.#raise = resolve);
  }
}
