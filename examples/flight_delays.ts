/**
 * Reports, for each airport and day, how late its flights were: keyed state, event-time timers and exactly-once files.
 *
 * Run: deno run --allow-read --allow-write --allow-env examples/flight_delays.ts [--rate <n>] [--from latest]
 * Reads examples/data/flights-20k.jsonl; writes out/flight-delays/ and out/checkpoints/.
 *
 * @module
 */
import { fileSink, jsonLines, KeyedActor, mapState, StreamEnvironment, watermarks } from "../mod.ts";

/** A line of the input. */
interface Flight {
  /** Scheduled departure, UTC: "2001/01/01 00:47". */
  readonly date: string;
  /** Arrival delay, minutes; negative = early. */
  readonly delay: number;
  /** Miles. */
  readonly distance: number;
  /** IATA code. */
  readonly origin: string;
  /** IATA code. */
  readonly destination: string;
}

/** A line of the output. */
interface DayReport {
  readonly airport: string;
  /** UTC day of the scheduled departures: "2001-01-01". */
  readonly day: string;
  readonly flights: number;
  /** Flights more than 15 minutes late. */
  readonly late: number;
  /** Rounded to two decimals, halves up. */
  readonly meanDelayMin: number;
  readonly maxDelayMin: number;
}

/** What is kept of an airport's day until it ends. */
interface DayTotals {
  readonly flights: number;
  readonly late: number;
  readonly sumDelayMin: number;
  readonly maxDelayMin: number;
}

const DAY_MS = 86_400_000;
const LATE_AFTER_MIN = 15;
const NO_FLIGHTS: DayTotals = { flights: 0, late: 0, sumDelayMin: 0, maxDelayMin: -Infinity };

/** Milliseconds since the epoch; `Date.parse` of the text as it is would take it for local time. */
function departureMs({ date }: Flight): number {
  return Date.parse(`${date.replaceAll("/", "-").replace(" ", "T")}Z`);
}

function dayOf(timestampMs: number): string {
  return new Date(timestampMs).toISOString().slice(0, 10);
}

/** One airport. Emits a report at the end of each day on which a flight left. */
class DelayReport extends KeyedActor<string, Flight, DayReport> {
  /** By day: flights of the next day may come before the watermark has ended this one. */
  readonly #days = this.state(mapState<string, DayTotals>("days"));
  readonly #lateFlights = this.metrics.counter("numLateRecordsDropped");

  override onMessage({ delay }: Flight): void {
    // The last millisecond of the day: no flight that belongs to the day can follow it.
    const endOfDayMs = (Math.floor(this.timestampMs / DAY_MS) + 1) * DAY_MS - 1;
    if (endOfDayMs <= this.timers.currentWatermark) {
      this.#lateFlights.inc(); // Its day has been reported.
      return;
    }
    const day = dayOf(endOfDayMs);
    const { flights, late, sumDelayMin, maxDelayMin } = this.#days.get(day) ?? NO_FLIGHTS;
    this.#days.set(day, {
      flights: flights + 1,
      late: delay > LATE_AFTER_MIN ? late + 1 : late,
      sumDelayMin: sumDelayMin + delay,
      maxDelayMin: Math.max(maxDelayMin, delay),
    });
    this.timers.registerEventTime(endOfDayMs);
  }

  override onTimer(timestampMs: number): void {
    const day = dayOf(timestampMs);
    const { flights, late, sumDelayMin, maxDelayMin } = this.#days.get(day)!; // Set together with the timer.
    const meanDelayMin = Math.round((sumDelayMin * 100) / flights) / 100;
    this.emit({ airport: this.key, day, flights, late, meanDelayMin, maxDelayMin });
    this.#days.delete(day);
  }
}

const env = StreamEnvironment.create({
  args: { rate: { type: "number", min: 1, description: "Flights read per second; all at once when absent" } },
  config: {
    "execution.checkpointing.interval": "200 ms",
    "execution.checkpointing.dir": "out/checkpoints",
  },
});
const { rate } = env.args;
const flights = jsonLines<Flight>(
  new URL("data/flights-20k.jsonl", import.meta.url),
  rate === undefined ? {} : { ratePerSecond: rate },
);

env.fromSource("flights", flights, watermarks(departureMs).boundedOutOfOrderness(60_000))
  .keyBy(({ origin }) => origin)
  .actor("delay-report", () => new DelayReport())
  .sinkTo("reports", fileSink("out/flight-delays", { format: "jsonl" }));

await env.execute("flight delays");
