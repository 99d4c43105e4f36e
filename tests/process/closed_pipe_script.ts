/** Prints more than a pipe holds: for the test of a reader that goes away. */
import { fromIterable } from "../../connectors/iterable_source.ts";
import { consoleSink } from "../../connectors/console_sink.ts";
import { StreamEnvironment } from "../../control/stream_environment.ts";

const environment = new StreamEnvironment();
environment.from("numbers", fromIterable(() => Array.from({ length: 500_000 }, (_, n) => n))).sinkTo(
  "print",
  consoleSink(),
);
await environment.run("closed-pipe");
