/**
 * Fails a chosen call of a chosen kind.
 *
 * Called by: the test pipeline, tests that inject failures.
 * Calls: nothing.
 */

/** Where a failure can be injected. */
export type Point =
  | "source open"
  | "source read"
  | "source completed"
  | "actor onOpen"
  | "actor onMessage"
  | "actor onTimer"
  | "sink open"
  | "sink recover"
  | "sink write"
  | "sink prepareCommit"
  | "sink prepare"
  | "sink commit"
  | "sink committed";

/** What was injected. */
export class SabotageError extends Error {
  override readonly name = "SabotageError";

  constructor(readonly point: Point) {
    super(`sabotage: ${point}`);
  }
}

/** Counts calls and fails some. */
export class Saboteur {
  readonly #due = new Map<Point, { skip: number; times: number }>();
  /** Calls so far. */
  readonly calls: Map<Point, number> = new Map();
  /** Failures so far. */
  strikes = 0;

  /** Fails `times` calls after the next `skip`. */
  arm(point: Point, skip = 0, times = 1): this {
    this.#due.set(point, { skip, times });
    return this;
  }

  /** Called at the point. @throws {SabotageError} When it is due. */
  pass(point: Point): void {
    this.calls.set(point, (this.calls.get(point) ?? 0) + 1);
    const due = this.#due.get(point);
    if (due === undefined || due.times === 0 || due.skip-- > 0) return;
    due.times--;
    this.strikes++;
    throw new SabotageError(point);
  }
}
