/**
 * How much of a bare loop's speed is left when the same work runs as a pipeline
 * with keyed state, exactly-once checkpoints and a sink?
 *
 * Run: deno task bench pipeline
 *
 * @module
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fromIterable, KeyedActor, type Sink, StreamEnvironment, valueState } from "../mod.ts";
import { bench, type SeededRandom } from "./harness.ts";

interface Order {
  readonly customer: string;
  readonly amount: number;
}

interface Size {
  readonly keys: number;
  readonly records: number;
}

/** Counts the orders of each customer. */
class Counter extends KeyedActor<string, Order, number> {
  readonly #count = this.state(valueState<number>("count", { default: 0 }));

  override onMessage(): void {
    const count = this.#count.value() + 1;
    this.#count.update(count);
    this.emit(count);
  }
}

/** Orders are kept between the rounds of a size: making them is not what is measured. */
let orders: readonly Order[] = [];

function makeOrders({ keys, records }: Size, random: SeededRandom): readonly Order[] {
  if (orders.length === records) return orders;
  const names = Array.from({ length: keys }, (_, i) => `customer-${i}`);
  orders = Array.from({ length: records }, () => ({
    customer: names[Math.floor(random() * keys)]!,
    amount: Math.floor(random() * 100),
  }));
  return orders;
}

/** Adds up what reaches it. */
function summingSink(): Sink<number, never> & { sum: number } {
  const sink = {
    guarantee: "at-least-once" as const,
    sum: 0,
    open: () => ({
      recover: () => {},
      write: (count: number) => {
        sink.sum += count;
      },
      prepareCommit: () => () => Promise.resolve(undefined),
      commit: () => {},
      close: () => {},
    }),
  };
  return sink;
}

async function runPipeline(size: Size, random: SeededRandom, config: Record<string, string>): Promise<number> {
  const records = makeOrders(size, random);
  const env = StreamEnvironment.create({ argv: [], config });
  const sink = summingSink();
  env.fromSource("orders", fromIterable(records))
    .map((order) => ({ customer: order.customer, amount: order.amount + 1 }))
    .filter((order) => order.amount > 5)
    .keyBy((order) => order.customer)
    .actor("count", () => new Counter())
    .sinkTo("sum", sink);
  const job = await env.executeAsync("keyed count");
  await job.result;
  return sink.sum;
}

function bareLoop(size: Size, random: SeededRandom): number {
  const records = makeOrders(size, random);
  const counts = new Map<string, number>();
  let sum = 0;
  for (const record of records) {
    const order = { customer: record.customer, amount: record.amount + 1 };
    if (!(order.amount > 5)) continue;
    const count = (counts.get(order.customer) ?? 0) + 1;
    counts.set(order.customer, count);
    sum += count;
  }
  return sum;
}

bench<Size>("pipeline/keyed_count/heap", {
  smoke: { keys: 100, records: 5_000 },
  full: { keys: 100_000, records: 8_000_000 },
  against: "a bare loop over a Map",
  async run(size, random) {
    const directory = mkdtempSync(join(tmpdir(), "weir-bench-"));
    try {
      const checksum = await runPipeline(size, random, {
        "execution.checkpointing.interval": "1 s",
        "execution.checkpointing.dir": directory,
      });
      return { ops: size.records, checksum };
    } finally {
      rmSync(directory, { recursive: true });
    }
  },
  baseline: (size, random) => ({ ops: size.records, checksum: bareLoop(size, random) }),
});

bench<Size>("pipeline/keyed_count_without_checkpoints/heap", {
  smoke: { keys: 100, records: 5_000 },
  full: { keys: 100_000, records: 8_000_000 },
  against: "a bare loop over a Map",
  run: async (size, random) => ({ ops: size.records, checksum: await runPipeline(size, random, {}) }),
  baseline: (size, random) => ({ ops: size.records, checksum: bareLoop(size, random) }),
});
