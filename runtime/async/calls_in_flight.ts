/**
 * Which results may be sent on, while calls end in any order: records that may not pass each other, or a watermark, are
 * in different segments, and only the oldest segment gives out results. Pure.
 *
 * Called by: async_map_operator.ts.
 * Calls: nothing.
 *
 * Invariants:
 * - what a mark divides stays divided: a result never passes a watermark, in neither direction;
 * - with `ordered`, results come in the order of their records.
 *
 * @module
 */

/** What stands between results. */
export type Mark =
  | { readonly kind: "watermark"; readonly watermarkMs: number }
  | { readonly kind: "idle"; readonly isIdle: boolean };

/** One record whose result is awaited, or waits to be sent on. */
export interface Call<I, O> {
  readonly value: I;
  readonly timestampMs: number;
  readonly segment: Segment<I, O>;
  /** Meaningful once the call is among the ended ones of its segment. */
  result: O | undefined;
}

/** Records whose results may come in any order. */
export interface Segment<I, O> {
  /** Calls without a result. */
  open: number;
  /** Calls with a result that was not sent on, in the order in which they have ended. */
  ended: Call<I, O>[];
  /** What comes when all results have been sent on; null: the next segment does. */
  mark: Mark | null;
}

/** Takes what may be sent on. */
export interface ResultTarget<I, O> {
  result(call: Call<I, O>): void;
  mark(mark: Mark): void;
}

/** The calls of one subtask, oldest first. */
export class CallsInFlight<I, O> {
  /** The last one takes new records. */
  private readonly segments: Segment<I, O>[] = [newSegment()];
  private readonly calls = new Set<Call<I, O>>();

  constructor(private readonly isOrdered: boolean) {}

  /** Records whose result was not sent on. */
  get size(): number {
    return this.calls.size;
  }

  /** They, in the order in which they came. */
  get all(): Iterable<Call<I, O>> {
    return this.calls;
  }

  /** Whether `drain` would send something on. */
  get hasSendable(): boolean {
    const first = this.segments[0]!;
    return first.ended.length > 0 || (first.open === 0 && this.segments.length > 1);
  }

  /** A record begins to wait for its result. */
  begin(value: I, timestampMs: number): Call<I, O> {
    if (this.isOrdered && !isEmpty(this.#last)) this.segments.push(newSegment());
    const segment = this.#last;
    segment.open++;
    const call: Call<I, O> = { value, timestampMs, segment, result: undefined };
    this.calls.add(call);
    return call;
  }

  /** Something that no result may pass. */
  divide(mark: Mark): void {
    const { segments } = this;
    const before = segments[segments.length - 2];
    // Of two watermarks with nothing between them the later one counts: what waits is bounded by the records.
    if (before?.mark?.kind === mark.kind && isEmpty(this.#last)) {
      before.mark = mark;
      return;
    }
    this.#last.mark = mark;
    segments.push(newSegment());
  }

  /** A call has its result. */
  end(call: Call<I, O>, result: O): void {
    call.result = result;
    call.segment.open--;
    call.segment.ended.push(call);
  }

  /** Sends on what may be sent. */
  drain(target: ResultTarget<I, O>): void {
    for (;;) {
      const first = this.segments[0]!;
      const { ended } = first;
      if (ended.length > 0) {
        first.ended = [];
        for (const call of ended) {
          this.calls.delete(call);
          target.result(call);
        }
      }
      if (first.open > 0 || this.segments.length === 1) return;
      this.segments.shift();
      if (first.mark !== null) target.mark(first.mark);
    }
  }

  get #last(): Segment<I, O> {
    return this.segments[this.segments.length - 1]!;
  }
}

function newSegment<I, O>(): Segment<I, O> {
  return { open: 0, ended: [], mark: null };
}

function isEmpty({ open, ended }: Segment<unknown, unknown>): boolean {
  return open === 0 && ended.length === 0;
}
