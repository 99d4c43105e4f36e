/**
 * Tells how warm each room got in each hour: an actor with state and timers per key, in event time.
 *
 * Run: deno run examples/warm_rooms.ts
 *
 * @module
 */
import { consoleSink, fromIterable, KeyedActor, reducingState, StreamEnvironment, watermarks } from "../mod.ts";
type Reading = { room: string; celsius: number; at: string };
const readings: Reading[] = [
  { room: "attic", celsius: 17.5, at: "2026-03-01T08:10Z" },
  { room: "cellar", celsius: 11.2, at: "2026-03-01T09:05Z" },
  { room: "attic", celsius: 19.1, at: "2026-03-01T08:59Z" }, // Late by 6 minutes: it still counts.
  { room: "attic", celsius: 22.4, at: "2026-03-01T10:30Z" },
];
class WarmestOfHour extends KeyedActor<string[], Reading, string> {
  readonly #warmest = this.state(reducingState<number>("warmest", Math.max)); // One per room and hour.
  override onMessage({ celsius, at }: Reading): void {
    this.#warmest.add(celsius);
    this.timers.registerEventTime(Date.parse(`${at.slice(0, 13)}:59:59.999Z`));
  }
  override onTimer(): void {
    this.emit(`${this.key.join(" ")}h ${this.#warmest.get()} °C`);
    this.#warmest.clear();
  }
}
const env = StreamEnvironment.create();
const eventTime = watermarks(({ at }: Reading) => Date.parse(at)).boundedOutOfOrderness(600_000);
env.fromSource("readings", fromIterable(readings), eventTime)
  .keyBy(({ room, at }) => [room, at.slice(0, 13)])
  .actor("warmest-of-hour", () => new WarmestOfHour()).sinkTo("terminal", consoleSink());
await env.execute("warm rooms");
