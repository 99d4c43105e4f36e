/**
 * Counts words, printing each new total.
 *
 * Run: deno run examples/word_count.ts
 *
 * @module
 */
import { consoleSink, fromIterable, StreamEnvironment } from "../mod.ts";

const env = StreamEnvironment.create();
env.fromSource("lines", fromIterable(["the stream is a river", "the river is a stream", "a barrier is not a dam"]))
  .flatMap((line) => line.split(" "))
  .map((word) => ({ word, count: 1 }))
  .keyBy(({ word }) => word)
  .reduce("count", (sum, { count }) => ({ word: sum.word, count: sum.count + count }))
  .sinkTo("counts", consoleSink());
await env.execute("word count");
