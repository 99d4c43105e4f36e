/** Prints more than a pipe holds: for the test of a reader that goes away. */
import { consoleSink, fromIterable, StreamEnvironment } from "../../mod.ts";

const environment = StreamEnvironment.create({ argv: [] });
const numbers = Array.from({ length: 300_000 }, (_, n) => n);
environment.fromSource("numbers", fromIterable(numbers)).sinkTo("print", consoleSink<number>());
await environment.execute("closed-pipe");
