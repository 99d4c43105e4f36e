/** Computes in one pass what examples/flight_delays.ts must have committed; shares no code with it. */
import { readFileSync } from "node:fs";

const FLIGHTS = new URL("../../examples/data/flights-20k.jsonl", import.meta.url);

/** The flights of the example, one JSON text each. */
export function flightLines(): string[] {
  return readFileSync(FLIGHTS, "utf8").split("\n").filter((line) => line !== "");
}

/**
 * The lines of the report, sorted.
 *
 * @param lines Flights, one JSON text each, in any order; none of them late.
 */
export function flightReports(lines: readonly string[]): string[] {
  const delaysByAirportAndDay = new Map<string, number[]>();
  for (const line of lines) {
    const { date, delay, origin } = JSON.parse(line);
    const place = `${origin} ${date.slice(0, 10)}`;
    const delays = delaysByAirportAndDay.get(place);
    if (delays === undefined) delaysByAirportAndDay.set(place, [delay]);
    else delays.push(delay);
  }
  const reports: string[] = [];
  for (const [place, delays] of delaysByAirportAndDay) {
    const [airport, date] = place.split(" ");
    let late = 0;
    let sum = 0;
    let max = delays[0]!; // A place is entered with its first delay.
    for (const delay of delays) {
      sum += delay;
      if (delay > 15) late++;
      if (delay > max) max = delay;
    }
    // Whole numbers up to the last division, so that a half is a half: floor(mean * 100 + 1/2).
    const hundredths = Math.floor((200 * sum + delays.length) / (2 * delays.length));
    reports.push(
      `{"airport":"${airport}","day":"${date!.replaceAll("/", "-")}","flights":${delays.length},"late":${late},` +
        `"meanDelayMin":${hundredths / 100},"maxDelayMin":${max}}`,
    );
  }
  return reports.sort();
}
