/** What every source promises. Run by each implementation in connectors/. */
import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import type { FileSystem } from "../../core/file_system.ts";
import type { Source, SourceReader, SplitPosition } from "../../core/source.ts";
import {
  readRecords,
  restoredPositions,
  sourceContext,
  TestOutput,
  type TestSourceContext,
} from "../connectors/contexts.ts";
import { MemoryFileSystem } from "../support/memory_file_system.ts";

/** A source under test. */
export interface SourceCase<T> {
  readonly source: Source<T>;
  /** All records in order at parallelism 1; of an unbounded source the first ones. */
  readonly expected: readonly T[];
  /** Where its input is; a new one in memory when absent. */
  readonly fileSystem?: FileSystem;
}

async function readerOf<T>(
  { source, fileSystem = new MemoryFileSystem() }: SourceCase<T>,
  overrides: Partial<TestSourceContext> = {},
): Promise<{ reader: SourceReader<T>; output: TestOutput<T>; take: (count?: number) => Promise<boolean> }> {
  const context = sourceContext({ fileSystem, ...overrides });
  const reader = await source.open(context);
  const output = new TestOutput<T>();
  return { reader, output, take: (count) => readRecords(reader, output, context.clock, count) };
}

/** Positions dealt to subtasks one by one, as a rescale does. */
function dealt(positions: readonly SplitPosition[], subtaskIndex: number, parallelism: number): SplitPosition[] {
  return positions.filter((_, index) => index % parallelism === subtaskIndex);
}

/** Records as sorted text, whatever the order of their properties. */
function inOrder(values: readonly unknown[]): string[] {
  const names = (value: unknown) => typeof value === "object" && value !== null ? Object.keys(value).sort() : null;
  return values.map((value) => JSON.stringify(value, names(value))).sort();
}

/**
 * @param name Of the source in the names of the tests.
 * @param make Makes a case anew, so that tests do not share input.
 */
export function sourceContract<T>(name: string, make: () => SourceCase<T>): void {
  const bounded = make().source.boundedness === "bounded";

  test(`${name} emits its records in order, then nothing for ever`, async () => {
    const given = make();
    const { reader, output, take } = await readerOf(given);
    const ended = await take(bounded ? Infinity : given.expected.length);
    deepEqual(output.values, given.expected);
    equal(ended, bounded);
    if (bounded) equal(reader.read(output), "ended");
    await reader.close();
  });

  test(`${name} goes on behind any record, exactly`, async () => {
    const given = make();
    equal(given.source.replayable, true);
    for (let count = 0; count <= given.expected.length; count++) {
      const first = await readerOf(given);
      if (count > 0) await first.take(count);
      deepEqual(first.output.values, given.expected.slice(0, count));
      const restored = restoredPositions(first.reader);
      await first.reader.close();
      const second = await readerOf(given, { restored });
      const left = given.expected.length - count;
      if (bounded) await second.take();
      else if (left > 0) await second.take(left);
      deepEqual(second.output.values, given.expected.slice(count), `from record ${count} on`);
      await second.reader.close();
    }
  });

  test(`${name} returns from read when collect says so, and keeps its place`, async () => {
    const given = make();
    const { reader, output, take } = await readerOf(given);
    for (let count = 1; count <= given.expected.length; count++) {
      await take(1);
      equal(output.values.length, count);
      deepEqual(restoredPositions(reader), restoredPositions(reader));
    }
    deepEqual(output.values, given.expected);
    await reader.close();
  });

  test(`${name} can be opened several times, each reader on its own`, async () => {
    const given = make();
    const first = await readerOf(given);
    const second = await readerOf(given);
    await first.take(Math.ceil(given.expected.length / 2));
    await second.take(given.expected.length);
    deepEqual(second.output.values, given.expected);
    await first.reader.close();
    await second.reader.close();
  });

  test(`${name} emits nothing for a subtask that was dealt nothing`, async () => {
    const { reader, output } = await readerOf(make(), { restored: [] });
    equal(reader.read(output), "ended");
    deepEqual(reader.position(), []);
    deepEqual(output.values, []);
    await reader.close();
  });

  test(`${name} closes at any time, twice, and leaves no file open`, async () => {
    for (const count of [0, 1, make().expected.length]) {
      const given = make();
      const { reader, output, take } = await readerOf(given);
      if (count > 0) await take(count);
      reader.read(Object.assign(output, { room: 1 }));
      await reader.close();
      await reader.close();
      if (given.fileSystem instanceof MemoryFileSystem) equal(given.fileSystem.openCount, 0);
    }
  });

  test(`${name} reports progress that does not go back and ends at its total`, async () => {
    const given = make();
    const { reader, take } = await readerOf(given);
    let before = 0;
    for (let count = 0; count < given.expected.length; count++) {
      await take(1);
      const { done, total } = reader.progress?.() ?? { done: before, total: Infinity };
      ok(done >= before && done <= total);
      before = done;
    }
    if (bounded) {
      await take();
      const progress = reader.progress?.() ?? null;
      if (progress !== null) equal(progress.done, progress.total);
    }
    await reader.close();
  });

  test(`${name} emits each record once over all subtasks, also when their number changes in between`, async () => {
    const given = make();
    if (!bounded) return; // How far subtasks get is decided by their ends here.
    for (const [before, after] of [[1, 2], [2, 1], [2, 3], [3, 2]] as const) {
      const values: T[] = [];
      const positions: SplitPosition[] = [];
      for (let subtaskIndex = 0; subtaskIndex < before; subtaskIndex++) {
        const { reader, output, take } = await readerOf(given, { subtaskIndex, parallelism: before });
        await take(2 + subtaskIndex);
        values.push(...output.values);
        positions.push(...restoredPositions(reader));
        await reader.close();
      }
      for (let subtaskIndex = 0; subtaskIndex < after; subtaskIndex++) {
        const restored = dealt(positions, subtaskIndex, after);
        const { reader, output, take } = await readerOf(given, { subtaskIndex, parallelism: after, restored });
        await take();
        values.push(...output.values);
        await reader.close();
      }
      deepEqual(inOrder(values), inOrder(given.expected), `from ${before} to ${after} subtasks`);
    }
  });
}
