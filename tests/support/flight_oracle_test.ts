import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { flightLines, flightReports } from "./flight_oracle.ts";

const ATLANTA = '{"airport":"ATL","day":"2001-01-02","flights":10,"late":6,"meanDelayMin":33.8,"maxDelayMin":146}';

test("flightReports() has one line for each airport and day of the 20,000 flights", () => {
  const reports = flightReports(flightLines());
  equal(reports.length, 6_901);
  ok(reports.includes(ATLANTA));
  const flights = reports.reduce((sum, line) => sum + JSON.parse(line).flights, 0);
  equal(flights, 20_000);
  for (const line of reports) equal(JSON.stringify(JSON.parse(line)), line);
});

test("flightReports() counts what is more than 15 minutes late and rounds halves up", () => {
  const flights = [16, 15, 0, 0, 0, 0, 0, -12].map((delay) =>
    JSON.stringify({ date: "2001/01/01 23:59", delay, distance: 1, origin: "JFK", destination: "LAX" })
  );
  deepEqual(flightReports(flights), [
    '{"airport":"JFK","day":"2001-01-01","flights":8,"late":1,"meanDelayMin":2.38,"maxDelayMin":16}',
  ]);
  deepEqual(flightReports(flights.slice(7)), [
    '{"airport":"JFK","day":"2001-01-01","flights":1,"late":0,"meanDelayMin":-12,"maxDelayMin":-12}',
  ]);
});
