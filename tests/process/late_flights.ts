/** Input with late flights, and what tests/process/late_flights_script.ts must make of it: shares no code with that. */
import { flightLines } from "../support/flight_oracle.ts";

/** How far flights may be out of order without being late, milliseconds. */
export const LATE_FLIGHTS_BOUND_MS = 3_600_000;

const DAY_MS = 86_400_000;
const EVERY = 5;
/** One flight in this many comes much later than its time: often the first one after a restart does. */
const LATE_SHARE = 3;
const LATE_BY_LINES = 120;

/** 4,000 real flights, each a JSON text; every third comes 120 lines too late. @param random Returns numbers in [0, 1). */
export function lateFlightLines(random: () => number): string[] {
  return flightLines()
    .filter((_, index) => index % EVERY === 0)
    .map((line, index) => ({
      line,
      place: index + 4 * random() + (index % LATE_SHARE === 0 ? LATE_BY_LINES : 0),
    }))
    .sort((a, b) => a.place - b.place)
    .map(({ line }) => line);
}

/** 4,000 real flights in four files of different length, each in order: none is late. */
export function splitFlightLines(): string[][] {
  const files: string[][] = [[], [], [], []];
  const ends = [0.01, 0.05, 0.3, 1];
  flightLines().filter((_, index) => index % EVERY === 0).forEach((line, index) => {
    const file = ends.findIndex((end) => index % 100 < 100 * end);
    files[file]!.push(line); // Found, since the last end is above all.
  });
  return files;
}

/** The lines of the report without what depends on the order of the flights, sorted. */
export function splitFlightReports(files: readonly string[][]): string[] {
  const delays = new Map<string, number>();
  for (const line of files.flat()) {
    const { date, delay, origin } = JSON.parse(line);
    const place = `{"airport":"${origin}","day":"${date.slice(0, 10).replaceAll("/", "-")}"`;
    delays.set(place, (delays.get(place) ?? 0) + delay);
  }
  return [...delays].map(([place, delay]) => `${place},"delay":${delay}}`).sort();
}

interface Airport {
  seen: number;
  last: string[];
  /** End of day → sum of delays. */
  readonly delays: Map<number, number>;
}

/** The lines of the report, sorted; computed flight by flight, in the order of the input. */
export function lateFlightReports(lines: readonly string[]): string[] {
  const airports = new Map<string, Airport>();
  const reports: string[] = [];
  let maxMs = -Infinity;
  const endDays = (untilMs: number) => {
    for (const [airport, { seen, last, delays }] of airports) {
      for (const [endMs, delay] of delays) {
        if (endMs > untilMs) continue;
        delays.delete(endMs);
        const day = new Date(endMs).toISOString().slice(0, 10);
        reports.push(JSON.stringify({ airport, day, delay, seen, last }));
      }
    }
  };
  for (const line of lines) {
    const { date, delay, origin } = JSON.parse(line);
    const [day, time] = date.split(" ");
    const timestampMs = Date.parse(`${day.replaceAll("/", "-")}T${time}:00Z`);
    const airport = airports.get(origin) ?? { seen: 0, last: [], delays: new Map<number, number>() };
    airports.set(origin, airport);
    airport.seen++;
    airport.last = [...airport.last, date].slice(-3);
    const endMs = timestampMs - timestampMs % DAY_MS + DAY_MS - 1;
    if (endMs <= maxMs - LATE_FLIGHTS_BOUND_MS - 1) {
      reports.push(JSON.stringify({ airport: origin, late: date, delay, seen: airport.seen }));
    } else {
      airport.delays.set(endMs, (airport.delays.get(endMs) ?? 0) + delay);
    }
    if (timestampMs <= maxMs) continue;
    maxMs = timestampMs;
    endDays(maxMs - LATE_FLIGHTS_BOUND_MS - 1);
  }
  endDays(Infinity);
  return reports.sort();
}
