/**
 * Cuts time into panes, pieces in which the same windows are open, and keeps handles of those that are in use.
 *
 * Windows begin and end at multiples of the slide, and so much behind them as the size is over a multiple of the slide.
 * Those are the borders of panes: one or two for each slide.
 *
 * Called by: runtime/windows/aligned_operator.ts.
 * Calls: window_contents.ts.
 *
 * @module
 */
import { checkTimestamp } from "./assigners.ts";
import type { OpenContents, WindowContents } from "./window_contents.ts";

/** How windows lie, milliseconds. */
export interface PaneLayout {
  readonly sizeMs: number;
  readonly slideMs: number;
  readonly offsetMs: number;
  /** Where a slide is cut in two: size modulo slide; 0 if it is not. */
  readonly splitMs: number;
}

/** A piece of time. */
export class Pane<I, A> {
  /** Counts panes in the order of time. */
  number: number = Number.NaN;
  startMs: number = Number.NaN;
  endMs: number = Number.NaN;
  /** Where the first and the last window begin in which it is. */
  firstStartMs: number = Number.NaN;
  lastStartMs: number = Number.NaN;
  /** False in the gaps between windows that are shorter than their slide. */
  hasWindows = false;

  constructor(readonly contents: WindowContents<I, A>) {}
}

/** How many panes are open at a time, if elements come nearly in order. */
export function panesInUse({ sizeMs, slideMs, splitMs }: PaneLayout): number {
  return (Math.floor(sizeMs / slideMs) + 1) * (splitMs > 0 ? 2 : 1) + 2;
}

/** Most panes whose handles are kept at hand. */
const MOST_PANES = 256;

/** Finds the pane of a time. What was found is valid until the ring is asked for another. */
export class PaneRing<I, A> {
  private readonly panes: Pane<I, A>[] = [];
  private latest: Pane<I, A>;

  constructor(private readonly layout: PaneLayout, open: OpenContents<I, A>) {
    const inUse = panesInUse(layout);
    let count = 4;
    while (count < inUse && count < MOST_PANES) count *= 2;
    for (let i = 0; i < count; i++) this.panes.push(new Pane(open()));
    this.latest = this.panes[0]!;
  }

  /** The pane of a time. @throws {StreamError} If it is no time. */
  at(timeMs: number): Pane<I, A> {
    const { latest } = this;
    if (timeMs >= latest.startMs && timeMs < latest.endMs) return latest;
    checkTimestamp(timeMs);
    const { sizeMs, slideMs, offsetMs, splitMs } = this.layout;
    const slide = Math.floor((timeMs - offsetMs) / slideMs);
    const baseMs = slide * slideMs + offsetMs;
    const half = splitMs > 0 && timeMs - baseMs >= splitMs ? 1 : 0;
    const startMs = baseMs + half * splitMs;
    // The bits of a number that is beyond 32 of them are its lowest.
    const pane = this.panes[(slide * 2 + half) & (this.panes.length - 1)]!;
    this.latest = pane;
    if (pane.startMs === startMs) return pane;
    const slides = Math.floor(sizeMs / slideMs) - (splitMs > 0 && half === 0 ? 0 : 1);
    pane.number = slide * 2 + half;
    pane.startMs = startMs;
    pane.endMs = splitMs > 0 && half === 0 ? baseMs + splitMs : baseMs + slideMs;
    pane.firstStartMs = baseMs - slides * slideMs;
    pane.lastStartMs = baseMs;
    pane.hasWindows = slides >= 0;
    pane.contents.setNamespace(startMs);
    return pane;
  }
}
