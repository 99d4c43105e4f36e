/** How large keys, values, lists and maps may be, on each backend. */
import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { test } from "node:test";
import { arenaPages } from "../../backends/embedded/arena.ts";
import { listState, mapState, valueState } from "../../core/descriptors.ts";
import { StreamError } from "../../core/errors.ts";
import { BackendRig } from "../contracts/backend_rig.ts";
import { backendVariants } from "../support/backend_variants.ts";

const MEMORY = 524_288;
const VALUE = valueState<string>("value");
const LIST = listState<string>("list");
const MAP = mapState<string, number>("map");

for (const { name, factory } of await backendVariants(MEMORY)) {
  test(`${name}: keys and map keys of 64 KiB are keys like any other, also after a restore`, async () => {
    await using rig = new BackendRig(factory);
    const backend = await rig.open();
    const long = "x".repeat(65_536);
    const keys = [long, `${long}a`, `${long}b`];
    keys.forEach((key, index) => {
      backend.setCurrentKey(key);
      backend.state(VALUE).update(`value ${index}`);
      backend.state(MAP).set(`${long}m`, index).set(`${long}n`, index + 10);
    });
    const restored = await rig.open([await rig.snapshot(backend)]);
    for (const from of [backend, restored]) {
      keys.forEach((key, index) => {
        from.setCurrentKey(key);
        equal(from.state(VALUE).value(), `value ${index}`);
        equal(from.state(MAP).get(`${long}n`), index + 10);
        equal(from.state(MAP).size, 2);
      });
    }
  });

  test(`${name}: a list and a map may be many times the memory of the slot, also after a restore [269]`, async () => {
    await using rig = new BackendRig(factory);
    const backend = await rig.open();
    const count = 400;
    const element = (n: number) => `${n}:`.padEnd(5_000, `${n % 10}`);
    // Two of each, added to in turn: what is appended to one is no part of the other.
    for (let n = 0; n < count; n++) {
      for (const key of ["a", "b"]) {
        backend.setCurrentKey(key);
        backend.state(LIST).add(element(n));
        backend.state(MAP).set(element(n), n);
      }
    }
    ok(count * 5_000 > 3 * MEMORY);
    backend.setCurrentKey("a");
    backend.state(MAP).clear();
    const restored = await rig.open([await rig.snapshot(backend)]);
    for (const from of [backend, restored]) {
      for (const key of ["a", "b"]) {
        from.setCurrentKey(key);
        let n = 0;
        for (const value of from.state(LIST)) equal(value, element(n++));
        equal(n, count);
        equal(from.state(MAP).size, key === "a" ? 0 : count);
      }
      deepEqual(
        [...from.state(MAP).values()].sort((left, right) => left - right),
        Array.from({ length: count }, (_, i) => i),
      );
    }
  });

  test(`${name}: a value as large as the write buffers is refused with the option to raise, or kept on the heap`, async () => {
    await using rig = new BackendRig(factory);
    const backend = await rig.open();
    backend.setCurrentKey("a");
    const state = backend.state(VALUE);
    state.update("small");
    const large = "x".repeat(MEMORY / 2);
    if (!backend.storesBytes) {
      state.update(large);
      equal(state.value(), large);
      return;
    }
    throws(
      () => state.update(large),
      (error) =>
        error instanceof StreamError && error.kind === "invalid" &&
        /raise state\.backend\.\w+\.memory\.fixed-per-slot/.test(error.message),
    );
    equal(state.value(), "small");
    state.update("x".repeat(MEMORY / 4));
    equal(state.value()?.length, MEMORY / 4);
  });
}

test("however large the memory of a slot is, write buffers and so values stay below 2^31 bytes", () => {
  const pageBytes = 65_536;
  equal(arenaPages(64 * 2 ** 20, pageBytes), 1_024);
  const largest = arenaPages(2 ** 40, pageBytes) * pageBytes;
  ok(largest < 2 ** 31 && largest > 2 ** 31 - 3 * pageBytes, `${largest}`);
});
