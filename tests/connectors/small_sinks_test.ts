import { deepEqual, equal, ok, rejects, throws } from "node:assert/strict";
import { test } from "node:test";
import { fromAsyncIterable } from "../../connectors/async_iterable_source.ts";
import { callbackSink } from "../../connectors/callback_sink.ts";
import { consoleSink } from "../../connectors/console_sink.ts";
import { StreamEnvironment } from "../../control/stream_environment.ts";
import type { Sink, SinkWriter } from "../../core/sink.ts";
import { MemoryFileSystem } from "../support/memory_file_system.ts";
import { sinkContext } from "./contexts.ts";

async function opened<T>(sink: Sink<T, never>): Promise<SinkWriter<T, never>> {
  const writer = await sink.open(sinkContext(new MemoryFileSystem()));
  await writer.recover({ kind: "fresh" });
  return writer;
}

/** A promise and what settles it. */
function deferred(): { readonly promise: Promise<void>; resolve: () => void; reject: (error: unknown) => void } {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  return { promise, resolve, reject };
}

test("consoleSink() prints strings as they are and anything else as JSON, all of it before a checkpoint completes", async () => {
  let printed = "";
  const writer = await opened<unknown>(consoleSink({
    write: (text) => {
      printed += text;
    },
  }));
  for (const value of ["text", { n: 1 }, undefined, 2]) writer.write(value, 0);
  await writer.prepareCommit(1)();
  equal(printed, 'text\n{"n":1}\nundefined\n2\n');
  writer.write("last", 0);
  await writer.close();
  ok(printed.endsWith("2\nlast\n"));
});

test("consoleSink() holds records back while its output is slow, and passes its error on", async () => {
  const writes: { text: string; done: ReturnType<typeof deferred> }[] = [];
  const writer = await opened<number>(consoleSink({
    format: (n) => `<${n}>`,
    write: (text) => {
      const done = deferred();
      writes.push({ text, done });
      return done.promise;
    },
  }));
  writer.write(1, 0);
  const wait = writer.backpressure?.();
  ok(wait instanceof Promise);
  writer.write(2, 0);
  deepEqual(writes.map(({ text }) => text), ["<1>\n"]);
  writes[0]?.done.resolve();
  await wait;
  const failing = writer.prepareCommit(1)();
  await Promise.resolve();
  deepEqual(writes.map(({ text }) => text), ["<1>\n", "<2>\n"]);
  writes[1]?.done.reject(new Error("closed pipe"));
  await rejects(failing, /closed pipe/);
  throws(() => writer.write(3, 0), /closed pipe/);
});

test("callbackSink() passes each record with its timestamp, in order", async () => {
  const seen: unknown[] = [];
  const writer = await opened<string>(callbackSink((value, timestampMs) => seen.push([value, timestampMs])));
  writer.write("a", 1);
  writer.write("b", 2);
  equal(await writer.prepareCommit(1)(), undefined);
  deepEqual(seen, [["a", 1], ["b", 2]]);
  await writer.close();
});

test("callbackSink() lets no more calls be under way than it is told, and a checkpoint wait for them", async () => {
  const calls: ReturnType<typeof deferred>[] = [];
  const sink = callbackSink<number>(() => {
    const call = deferred();
    calls.push(call);
    return call.promise;
  }, { maxConcurrency: 2 });
  const writer = await opened(sink);
  writer.write(1, 0);
  equal(writer.backpressure?.(), undefined);
  writer.write(2, 0);
  const wait = writer.backpressure?.();
  ok(wait instanceof Promise);
  calls[1]?.resolve();
  await wait;
  equal(writer.backpressure?.(), undefined);
  let prepared = false;
  const prepare = writer.prepareCommit(1)().then(() => {
    prepared = true;
  });
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
  equal(prepared, false);
  calls[0]?.resolve();
  await prepare;
});

test("callbackSink() never has more calls under way than it is told, begins them in order, and takes any thenable", async () => {
  const begun: number[] = [];
  const finish: (() => void)[] = [];
  let running = 0;
  let most = 0;
  const sink = callbackSink<number>((value) => {
    begun.push(value);
    if (value % 3 === 0) return;
    most = Math.max(most, ++running);
    return {
      then(resolve: () => void): void {
        finish.push(() => {
          running--;
          resolve();
        });
      },
    };
  }, { maxConcurrency: 4 });
  const writer = await opened(sink);
  for (let value = 0; value < 64; value++) writer.write(value, 0);
  const events: string[] = [];
  const prepare = writer.prepareCommit(1)().then(() => events.push(`prepared after ${begun.length}`));
  writer.write(64, 0);
  const room = Promise.resolve(writer.backpressure?.()).then(() => events.push(`room after ${begun.length}`));
  for (let turn = 0; turn < 1000; turn++) {
    await Promise.resolve();
    finish.shift()?.();
  }
  await Promise.all([room, prepare]);
  equal(most, 4);
  deepEqual(begun, Array.from({ length: 65 }, (_, value) => value));
  deepEqual(events.sort(), ["prepared after 65", "room after 65"]);
  await writer.close();
});

test("callbackSink() tells of a rejection at once, also when no record comes any more", async () => {
  for (const maxConcurrency of [1, 2]) {
    const reported: unknown[] = [];
    const sink = callbackSink<string>((word) => Promise.reject(new Error(word)), { maxConcurrency });
    const writer = await sink.open(sinkContext(new MemoryFileSystem(), { fail: (error) => reported.push(error) }));
    writer.write("first", 0);
    writer.write("second", 0);
    for (let turn = 0; turn < 10; turn++) await Promise.resolve();
    equal(String(reported), "Error: first");
    await writer.close();
  }
});

test("callbackSink() fails a job that waits for a record that never comes", async () => {
  const environment = StreamEnvironment.create({ argv: [] });
  async function* one(): AsyncGenerator<number> {
    yield 1;
    await new Promise(() => {});
  }
  environment.fromSource("quiet", fromAsyncIterable(one))
    .sinkTo("calls", callbackSink(() => Promise.reject(new Error("refused"))));
  const job = await environment.executeAsync("quiet");
  await rejects(job.result, /refused/);
});

test("callbackSink() passes on what a call throws or rejects with", async () => {
  const throwing = await opened<number>(callbackSink(() => {
    throw new Error("broken");
  }));
  throws(() => throwing.write(1, 0), /broken/);
  const rejecting = await opened<number>(callbackSink(() => Promise.reject(new Error("refused"))));
  rejecting.write(1, 0);
  await rejects(rejecting.prepareCommit(1)(), /refused/);
  throws(() => rejecting.write(2, 0), /refused/);
  throws(() => callbackSink(() => {}, { maxConcurrency: 0 }), RangeError);
});
