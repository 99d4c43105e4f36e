/**
 * Owns the terminal while a job runs: a live status line or plain periodic lines, interrupts, the summary.
 *
 * Called by: the stream environment, with what control/process_surroundings.ts gives.
 * Calls: control/status_line.ts, control/rate_meter.ts, control/interrupts.ts.
 *
 * Invariants:
 * - everything goes to the screen (standard error): standard output belongs to the pipeline;
 * - after `watchJob` nothing is left: no timer, no listener, no half line.
 *
 * @module
 */
import type { Cancel, Clock } from "../core/clock.ts";
import { Interrupts } from "./interrupts.ts";
import type { JobEnd, ObservedJob } from "./observed_job.ts";
import { RateMeter } from "./rate_meter.ts";
import { formatStatusLine, formatSummary } from "./status_line.ts";

/** Where status is shown. */
export interface Screen {
  /** Whether lines can be drawn over. */
  readonly isTerminal: boolean;
  /** Width; may change at any time. */
  readonly columns: number;
  /** Writes text as it is: line breaks are in it. */
  write(text: string): void;
}

/** What watching a job needs of the process. */
export interface Watching {
  /** When to draw, and when an interrupt came. */
  readonly clock: Clock;
  /** Standard error. */
  readonly screen: Screen;
  /** Whether standard output is drawn on the same terminal. */
  readonly outputIsTerminal: boolean;
  /** Calls `listener` for each interrupt until the returned function is called. */
  readonly onInterrupt: (listener: () => void) => () => void;
  /** Ends the process at once. */
  readonly exit: (code: number) => void;
}

/** The job finished by itself, or stopped with a savepoint as it was asked to. */
export const EXIT_FINISHED = 0;
/** The job failed. */
export const EXIT_FAILED = 1;
/** The program was started in a wrong way. */
export const EXIT_USAGE = 2;
/** Somebody has interrupted the job. */
export const EXIT_INTERRUPTED = 130;

const LIVE_PERIOD_MS = 200;
const PLAIN_PERIOD_MS = 10_000;
/** Long enough for a rate that does not flicker. */
const LIVE_WINDOW_MS = 1_000;
/** What a cancelled job may take before the process is ended over its head. */
const CANCEL_GRACE_MS = 1_000;

const START_OF_LINE = "\r\x1b[2K";

/**
 * Shows a job until it has ended and passes interrupts on to it.
 *
 * @returns The exit code: 0 finished or stopped with a savepoint, 1 failed, 130 interrupted. A failure is not thrown:
 *   `job.result` has it.
 */
export async function watchJob(job: ObservedJob, watching: Watching): Promise<number> {
  const { clock, exit } = watching;
  const display = new JobDisplay(job, watching);
  const interrupts = new Interrupts();
  let forced: Cancel | undefined;
  const unlisten = watching.onInterrupt(() => {
    const decision = interrupts.decide(clock.monotonicMs());
    if (decision === "stop") {
      display.note("Stopping after a last checkpoint; press Ctrl-C again to end at once");
      job.stop();
    } else if (decision === "cancel") {
      display.note("Ending at once");
      forced = clock.schedule(CANCEL_GRACE_MS, () => exit(EXIT_INTERRUPTED));
      job.cancel();
    } else if (decision === "exit") {
      exit(EXIT_INTERRUPTED);
    }
  });
  display.start();
  // A failure is told by the state, and thrown to the caller by the job's own result.
  const end = await job.result.catch(() => undefined);
  forced?.();
  unlisten();
  display.finish(end);
  const { state } = job.progress();
  // Who stops a job with a savepoint has what was asked for: nothing went wrong.
  if (state === "finished" || (end?.savepointPath ?? null) !== null) return EXIT_FINISHED;
  return state === "failed" ? EXIT_FAILED : EXIT_INTERRUPTED;
}

/** Shows how far a job has come. */
export class JobDisplay {
  readonly #job: ObservedJob;
  readonly #clock: Clock;
  readonly #screen: Screen;
  /** Whether one line is drawn again and again; else lines are added. */
  readonly #live: boolean;
  readonly #meter: RateMeter;
  #startMs = 0;
  #tick: Cancel | undefined;

  /** Nothing is shown before {@link JobDisplay.start}. */
  constructor(job: ObservedJob, { clock, screen, outputIsTerminal }: Omit<Watching, "exit" | "onInterrupt">) {
    this.#job = job;
    this.#clock = clock;
    this.#screen = screen;
    this.#live = screen.isTerminal && !(job.printsToOutput && outputIsTerminal);
    this.#meter = new RateMeter(this.#live ? LIVE_WINDOW_MS : PLAIN_PERIOD_MS);
  }

  /** Starts to show. */
  start(): void {
    this.#startMs = this.#clock.monotonicMs();
    const { recordsIn, recordsOut } = this.#job.progress();
    this.#meter.sample(this.#startMs, recordsIn, recordsOut);
    this.#plan();
  }

  /** Shows a message on a line of its own. */
  note(message: string): void {
    this.#screen.write(`${this.#live ? START_OF_LINE : ""}${message}\n`);
  }

  /** Ends showing, with the summary. @param end Absent: it has failed. */
  finish(end?: JobEnd): void {
    this.#tick?.();
    this.#tick = undefined;
    const summary = formatSummary(this.#job.progress(), this.#clock.monotonicMs() - this.#startMs, end);
    this.#screen.write((this.#live ? START_OF_LINE : "") + summary);
  }

  #plan(): void {
    this.#tick = this.#clock.schedule(this.#live ? LIVE_PERIOD_MS : PLAIN_PERIOD_MS, () => {
      this.#show();
      this.#plan();
    });
  }

  #show(): void {
    const progress = this.#job.progress();
    const rates = this.#meter.sample(this.#clock.monotonicMs(), progress.recordsIn, progress.recordsOut);
    if (!this.#live) {
      this.#screen.write(formatStatusLine(progress, rates, Infinity) + "\n");
      return;
    }
    // One column stays free: a full line would wrap, and could not be drawn over.
    this.#screen.write(START_OF_LINE + formatStatusLine(progress, rates, Math.max(1, this.#screen.columns - 1)));
  }
}
