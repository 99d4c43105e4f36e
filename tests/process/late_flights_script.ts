/** A job with late input, all that is kept in three kinds of state, several files a commit, and a point where it stops. */
import {
  fileSink,
  jsonLines,
  KeyedActor,
  listState,
  mapState,
  StreamEnvironment,
  valueState,
  watermarks,
} from "../../mod.ts";
import { systemFileSystem } from "../../runtime/system_file_system.ts";
import { LATE_FLIGHTS_BOUND_MS } from "./late_flights.ts";
import { parseStopPoint, stoppingFileSystem } from "./stopping_file_system.ts";

interface Flight {
  readonly date: string;
  readonly delay: number;
  readonly origin: string;
}

const DAY_MS = 86_400_000;

function departureMs({ date }: Flight): number {
  return Date.parse(`${date.replaceAll("/", "-").replace(" ", "T")}Z`);
}

/** One airport: each day, and each flight that came after its day was over. */
class Days extends KeyedActor<string, Flight, unknown> {
  readonly #delays = this.state(mapState<number, number>("delays"));
  readonly #seen = this.state(valueState<number>("seen", { default: 0 }));
  readonly #last = this.state(listState<string>("last"));

  /** @param isOrdered Whether the flights of an airport come in the order of the input. */
  constructor(private readonly isOrdered: boolean) {
    super();
  }

  override onMessage({ date, delay }: Flight): void {
    this.#seen.update(this.#seen.value() + 1);
    this.#last.update([...this.#last.get(), date].slice(-3));
    const endOfDayMs = (Math.floor(this.timestampMs / DAY_MS) + 1) * DAY_MS - 1;
    if (endOfDayMs <= this.timers.currentWatermark) {
      this.emit({ airport: this.key, late: date, delay, seen: this.#seen.value() });
      return;
    }
    this.#delays.set(endOfDayMs, (this.#delays.get(endOfDayMs) ?? 0) + delay);
    this.timers.registerEventTime(endOfDayMs);
  }

  override onTimer(timestampMs: number): void {
    const day = new Date(timestampMs).toISOString().slice(0, 10);
    const delay = this.#delays.get(timestampMs);
    if (this.isOrdered) {
      this.emit({ airport: this.key, day, delay, seen: this.#seen.value(), last: [...this.#last.get()] });
    } else this.emit({ airport: this.key, day, delay });
    this.#delays.delete(timestampMs);
  }
}

const argumentsOfScript = {
  input: {
    type: "string",
    default: "input.jsonl",
    description: "flights; several files, by a pattern, are read at once",
  },
  sources: { type: "number", default: 1, description: "subtasks that read" },
  rate: { type: "number", description: "flights read per second" },
  rollBytes: { type: "number", default: 1_000_000, description: "about the size of a file of the report" },
  stopAt: { type: "string", description: "see stopping_file_system.ts" },
} as const;
const { args: { stopAt } } = StreamEnvironment.create({ args: argumentsOfScript });
const env = StreamEnvironment.create({
  args: argumentsOfScript,
  config: { "execution.checkpointing.dir": "checkpoints" },
  ports: stopAt === undefined ? {} : { fileSystem: stoppingFileSystem(systemFileSystem, parseStopPoint(stopAt)) },
});
const { input, sources, rate, rollBytes } = env.args;

env.fromSource(
  "flights",
  jsonLines<Flight>(input, rate === undefined ? {} : { ratePerSecond: rate }),
  watermarks(departureMs).boundedOutOfOrderness(LATE_FLIGHTS_BOUND_MS),
).setParallelism(sources) // With one, its order decides which flights are late and which are the last.
  .keyBy(({ origin }) => origin)
  .actor("days", () => new Days(sources === 1))
  .sinkTo("report", fileSink("report", { rollBytes }));

await env.execute("late flights");
