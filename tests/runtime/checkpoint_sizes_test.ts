/** Which sizes are shown of a checkpoint: what it has written, and what it refers to. */
import { equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { collectSink, KeyedActor, type StreamEnvironment, valueState } from "../../mod.ts";
import { ApiRig } from "../control/http_rig.ts";
import { BACKEND_KINDS, type BackendKind } from "../support/backend_kinds.ts";
import { TestWorld } from "../support/job_harness.ts";
import { ValveSource } from "./engine_harness.ts";

const KEYS = 2_000;

class Last extends KeyedActor<number, number, never> {
  readonly #last = this.state(valueState<string>("last"));

  override onMessage(n: number): void {
    this.#last.update(`value ${n} `.padEnd(50, "."));
  }
}

interface Sizes {
  readonly checkpointed_size: number;
  readonly state_size: number;
}

/** Sizes of two checkpoints as the API shows them: of all keys, then of a twentieth of them. */
async function sizesOf({ options }: BackendKind, incremental: boolean): Promise<readonly [Sizes, Sizes]> {
  const world = new TestWorld({
    ...options.config,
    "execution.checkpointing.interval": "1 d",
    "execution.checkpointing.incremental": incremental,
  });
  const source = new ValveSource([Array.from({ length: KEYS + KEYS / 20 }, (_, n) => n)]);
  const process = await world.start((env: StreamEnvironment) => {
    env.fromSource("numbers", source).keyBy((n) => n % KEYS).actor("last", () => new Last())
      .sinkTo("out", collectSink());
  }, options);
  const rig = new ApiRig();
  rig.add(process.job);
  const take = async (count: number): Promise<Sizes> => {
    source.openTo(count);
    await process.until(() => source.recordsRead >= count);
    await process.settled(process.job.triggerCheckpoint());
    // The shape of this answer is in the API's own document, which the rig compares it with.
    const page = await rig.get(`/jobs/${process.job.id}/checkpoints`) as { latest: { completed: Sizes } };
    return page.latest.completed;
  };
  const sizes = [await take(KEYS), await take(KEYS + KEYS / 20)] as const;
  process.kill();
  return sizes;
}

for (const backend of BACKEND_KINDS) {
  test(`${backend.name}: of an increment the size of what it has written is shown, and the full size beside it [270]`, async () => {
    const [first, second] = await sizesOf(backend, true);
    equal(first.checkpointed_size, first.state_size);
    ok(first.state_size > KEYS * 10, `${first.state_size}`);
    ok(second.checkpointed_size < second.state_size / 5, `${second.checkpointed_size} of ${second.state_size}`);
    ok(second.state_size > first.state_size);
  });

  test(`${backend.name}: without increments both sizes are the same`, async () => {
    const [, second] = await sizesOf(backend, false);
    equal(second.checkpointed_size, second.state_size);
  });
}
