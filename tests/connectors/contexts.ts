/** Contexts that tests open sources and sinks with, and drivers that read and check them. */
import { auto } from "../../core/auto_serializer.ts";
import { ByteReader, ByteWriter } from "../../core/bytes.ts";
import type { FileSystem } from "../../core/file_system.ts";
import type { Counter, Histogram, MetricGroup } from "../../core/metrics.ts";
import type { SinkContext } from "../../core/sink.ts";
import type { MalformedInput, SourceContext, SourceOutput, SourceReader, SplitPosition } from "../../core/source.ts";
import { OperatorStates } from "../../runtime/operator_states.ts";
import { SeededRandom } from "../../runtime/testing/seeded_random.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { MemoryFileSystem } from "../support/memory_file_system.ts";

/** Counters by name. */
export class TestMetrics implements MetricGroup {
  readonly #counters = new Map<string, { count: number; inc(n?: number): void }>();

  counter(name: string): Counter {
    let counter = this.#counters.get(name);
    if (counter === undefined) {
      counter = {
        count: 0,
        inc(n = 1) {
          this.count += n;
        },
      };
      this.#counters.set(name, counter);
    }
    return counter;
  }
  gauge(): void {}
  histogram(): Histogram {
    return { count: 0, update: () => {}, quantile: () => NaN };
  }
}

export { SeededRandom } from "../../runtime/testing/seeded_random.ts";

export interface TestSourceContext extends SourceContext {
  readonly clock: ManualClock;
}

export function sourceContext(overrides: Partial<TestSourceContext> = {}): TestSourceContext {
  const states = new OperatorStates({ operatorName: "input", subtaskIndex: 0, restore: null });
  return {
    name: "input",
    subtaskIndex: 0,
    parallelism: 1,
    restored: null,
    clock: new ManualClock(),
    random: new SeededRandom(),
    fileSystem: new MemoryFileSystem(),
    metrics: new TestMetrics(),
    operatorState: states.declare.bind(states),
    ...overrides,
  };
}

export function sinkContext(fileSystem: FileSystem, overrides: Partial<SinkContext> = {}): SinkContext {
  return {
    name: "output",
    subtaskIndex: 0,
    parallelism: 1,
    clock: new ManualClock(),
    random: new SeededRandom(),
    fileSystem,
    metrics: new TestMetrics(),
    fail: () => {},
    ...overrides,
  };
}

/** What a source emits, with an end of each slice after `sliceSize` records. */
export class TestOutput<T> implements SourceOutput<T> {
  readonly values: T[] = [];
  readonly timestamps: number[] = [];
  readonly malformed: MalformedInput[] = [];
  /** Records, malformed ones included, that are taken before `collect` returns false. */
  room = Infinity;

  collect(value: T, timestampMs: number): boolean {
    this.values.push(value);
    this.timestamps.push(timestampMs);
    return --this.room > 0;
  }
  collectMalformed(malformed: MalformedInput): boolean {
    this.malformed.push(malformed);
    return --this.room > 0;
  }
}

/** Reads until `count` records have come, or the end; true at the end. Waits are cut short by the clock. */
export async function readRecords<T>(
  reader: SourceReader<T>,
  output: TestOutput<T>,
  clock: ManualClock,
  count: number = Infinity,
): Promise<boolean> {
  output.room = count;
  while (output.room > 0) {
    const status = reader.read(output);
    if (status === "ended") return true;
    if (status === "ready") continue;
    await clock.settle();
    clock.advance(1000);
    await status;
  }
  return false;
}

/** A value as it is after it was written to a checkpoint and read from there. */
export function throughCheckpoint<T>(value: T): T {
  const serializer = auto<T>();
  const writer = new ByteWriter();
  serializer.write(value, writer);
  return serializer.read(new ByteReader(writer.copy()));
}

/** Positions as they are after a restore. */
export function restoredPositions(reader: SourceReader<unknown>): SplitPosition[] {
  return throughCheckpoint([...reader.position()]);
}
