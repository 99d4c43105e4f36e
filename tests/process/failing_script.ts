/** A pipeline that fails in the way that `--mode` names: for the tests of messages and exit codes. */
import process from "node:process";
import {
  callbackSink,
  fileSink,
  fromAsyncIterable,
  fromIterable,
  jsonLines,
  type Source,
  StreamEnvironment,
  StreamError,
} from "../../mod.ts";

const env = StreamEnvironment.create({
  args: {
    mode: { type: "string", default: "none", description: "what is wrong" },
    catch: { type: "boolean", description: "the script handles the failure itself" },
  },
});
const { mode } = env.args;

async function* once(): AsyncGenerator<number> {
  yield 1;
}

function sourceOf(): Source<number> {
  if (mode === "path") return jsonLines<number>("no-such-file.jsonl");
  if (mode === "line") return jsonLines<number>("malformed.jsonl");
  return mode === "unreplayable" ? fromAsyncIterable(once) : fromIterable([1, 2]);
}

function check(value: number): number {
  // Nobody waits for it: the runtime tells the process.
  if (mode === "promise") Promise.reject(new StreamError("invalid", "Cannot use state after the record has passed"));
  if (mode === "function") throw new TypeError("two is too much", { cause: new Error("there was one already") });
  return value;
}

if (mode === "foreign") throw new Error("not of the engine");
env.fromSource("numbers", sourceOf()).map(check).keyBy((n) => n).reduce("sum", (a, b) => a + b).sinkTo(
  mode === "names" ? "numbers" : "out",
  mode === "folder" ? fileSink<number>("out") : callbackSink<number>(() => {}),
);
if (env.args.catch) {
  await env.execute("failing").catch(({ name, cause }) => process.stdout.write(`caught ${name} ${cause?.name}\n`));
} else {
  await env.execute("failing");
}
