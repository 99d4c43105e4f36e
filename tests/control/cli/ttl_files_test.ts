/** What the tools say of state with a time to live. */
import { deepEqual, equal } from "node:assert/strict";
import { test } from "node:test";
import { collectSink, generator, KeyedActor, listState, mapState, valueState } from "../../../mod.ts";
import { BACKEND_KINDS } from "../../support/backend_kinds.ts";
import { TestWorld } from "../../support/job_harness.ts";
import { weir } from "./cli_rig.ts";

class Mortal extends KeyedActor<string, number, never> {
  readonly #value = this.state(valueState<number>("value", { ttl: "1 h" }));
  readonly #list = this.state(listState<number>("list", { ttl: "1 h" }));
  readonly #map = this.state(mapState<string, number>("map", { ttl: "1 h" }));

  override onMessage(value: number): void {
    this.#value.update(value);
    this.#list.add(value);
    this.#map.set("k", value);
  }
}

for (const { name, options } of BACKEND_KINDS) {
  test(`weir dump tells when a value of ${name} with a time to live was written`, { timeout: 60_000 }, async () => {
    const world = new TestWorld();
    world.clock.advance(1_700_000_000_000);
    const process = await world.start((env) => {
      env.fromSource("numbers", generator({ count: 9, ratePerSecond: 10, create: (index) => index + 7 }))
        .keyBy(() => "a").actor("mortal", () => new Mortal()).sinkTo("out", collectSink<never>());
    }, options);
    await process.until(() => process.job.progress().recordsIn >= 2);
    const { path } = await process.settled(process.job.stopWithSavepoint({ directory: "/savepoints" }));
    await process.end();
    const dumped = async (state: string) => {
      const { fileSystem } = world;
      const { code, out, err } = await weir(["dump", path, "-o", "mortal", "-s", state], { fileSystem });
      equal(code, 0, err);
      return out.trimEnd().split("\n").map((line) => {
        const { writtenMs, ...rest } = JSON.parse(line);
        return { ...rest, isPlausible: writtenMs >= 1_700_000_000_000 && writtenMs <= process.clock.nowMs() };
      });
    };
    const [value] = await dumped("value");
    const last: number = value.value;
    deepEqual(value, { key: "a", value: last, isPlausible: true });
    deepEqual(
      await dumped("list"),
      Array.from({ length: last - 6 }, (_, index) => ({ key: "a", index, value: 7 + index, isPlausible: true })),
    );
    deepEqual(await dumped("map"), [{ key: "a", mapKey: "k", value: last, isPlausible: true }]);
  });
}
