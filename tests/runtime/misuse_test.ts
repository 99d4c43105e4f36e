import { deepEqual, match, ok, rejects, strictEqual as equal } from "node:assert/strict";
import { test } from "node:test";
import { configure, type LogRecord, reset } from "@logtape/logtape";
import { showLog } from "../../control/log_display.ts";
import {
  callbackSink,
  collectSink,
  fileSink,
  fromAsyncIterable,
  fromIterable,
  KeyedActor,
  outputTag,
  StreamError,
  valueState,
} from "../../mod.ts";
import { fixedDelay } from "../../runtime/restart_strategy.ts";
import { failJob, ON_DEMAND, runJob } from "./engine_harness.ts";

/** What is logged while `run` runs, as it is shown on the screen. */
async function shownDuring(run: () => Promise<unknown>): Promise<string> {
  let shown = "";
  const restore = await showLog({ isTerminal: false, write: (text: string) => void (shown += text) } as never);
  await run().finally(restore);
  return shown;
}

const side = outputTag<string>("side");

class Misplaced extends KeyedActor<string, string, string> {
  constructor(private readonly at: string, private readonly toSide: boolean) {
    super();
    this.#send("constructor");
  }
  override onOpen(): void {
    this.#send("onOpen");
  }
  override onMessage(value: string): void {
    this.emit(value);
    this.emitTo(side, value);
  }
  override onClose(): void {
    this.#send("onClose");
  }
  #send(at: string): void {
    if (at !== this.at) return;
    if (this.toSide) this.emitTo(side, "lost");
    else this.emit("lost");
  }
}

const REFUSAL =
  /Cannot emit from "actor" here: no message and no timer is in hand, .*; emit in onMessage\(\) or onTimer\(\), before/;

for (const toSide of [false, true]) {
  test(`${toSide ? "emitTo" : "emit"}() is refused in a constructor, onOpen and onClose, where a value would be lost or doubled`, async () => {
    const out = collectSink<string>();
    const build = (at: string) => (env: Parameters<Parameters<typeof runJob>[0]>[0]) => {
      const stream = env.fromSource("s", fromIterable(["a", "b"])).keyBy((value) => value)
        .actor("actor", () => new Misplaced(at, toSide));
      stream.sinkTo("out", out);
      stream.sideOutput(side).sinkTo("aside", collectSink<string>());
    };
    for (const at of ["constructor", "onOpen"]) {
      const error = await failJob(build(at));
      match(error.message, REFUSAL);
      ok(error instanceof StreamError && error.kind === "invalid");
    }
    deepEqual(out.values, []);
    match(await shownDuring(() => runJob(build("onClose"))), REFUSAL);
    deepEqual(out.values, ["a", "b"]);
  });
}

/** Does what it is told once the message that asked for it has been dealt with, and the event loop has turned. */
class Belated extends KeyedActor<string, string, string> {
  readonly #last = this.state(valueState<string>("last", { default: "" }));
  constructor(private readonly act: (actor: Belated) => void) {
    super();
  }
  override onMessage(value: string): void {
    this.#last.update(value);
    this.emit(value);
    if (value === "a") void Promise.resolve().then(() => this.act(this));
  }
  send(): void {
    this.emit("late");
  }
  sendAside(): void {
    this.emitTo(side, "late");
  }
  read(): string {
    return this.#last.value();
  }
  write(): void {
    this.#last.update("late");
  }
  setTimer(): void {
    this.timers.registerEventTime(1);
  }
}

/** "a", and "b" once the loop has turned. */
const aThenB = () =>
  fromAsyncIterable(async function* () {
    yield "a";
    for (let turn = 0; turn < 10; turn++) await Promise.resolve();
    yield "b";
  }, { replayable: true });

for (const act of ["send", "sendAside"] as const) {
  test(`a job fails whose actor emits after onMessage() has returned (${act})`, async () => {
    const out = collectSink<string>();
    const error = await failJob((env) => {
      const stream = env.fromSource("s", aThenB()).keyBy((value) => value)
        .actor("actor", () => new Belated((actor) => actor[act]()));
      stream.sinkTo("out", out);
      stream.sideOutput(side).sinkTo("aside", out);
    });
    match(error.message, REFUSAL);
    ok(error instanceof StreamError && error.kind === "invalid");
    ok(!out.values.includes("late"));
  });
}

test("a job fails whose step without a key emits after it has returned", async () => {
  for (const toSide of [false, true]) {
    const out = collectSink<string>();
    const error = await failJob((env) => {
      const stream = env.fromSource("s", aThenB()).process<string>("step", (value, context) => {
        void Promise.resolve().then(() => toSide ? context.emitTo(side, value) : context.emit(value));
      });
      stream.sinkTo("out", out);
      stream.sideOutput(side).sinkTo("aside", out);
    });
    match(error.message, /Cannot emit from "step" here: no message and no timer is in hand/);
    deepEqual(out.values, []);
  }
});

test("state, timers and the key are refused after onMessage() has returned: they would be those of another key", async () => {
  const refused: string[] = [];
  const attempts: readonly ((actor: Belated) => unknown)[] = [
    (actor) => actor.read(),
    (actor) => actor.write(),
    (actor) => actor.setTimer(),
    (actor) => actor.key,
  ];
  const act = (actor: Belated) => {
    for (const attempt of attempts) {
      try {
        refused.push(`done: ${String(attempt(actor))}`);
      } catch (error) {
        refused.push(String(error));
      }
    }
  };
  const out = collectSink<string>();
  await runJob((env) =>
    env.fromSource("s", aThenB()).keyBy((value) => value).actor("actor", () => new Belated(act)).sinkTo("out", out)
  );
  equal(refused.length, 4);
  for (const text of refused.slice(0, 2)) match(text, /no key is set, it must be used while a record or timer is/);
  for (const text of refused.slice(2)) match(text, /Cannot tell the current key of operator "actor": none is set/);
  deepEqual(out.values, ["a", "b"]);
});

test("a reduce function that changes its argument does not change the records of the source", async () => {
  const records = [{ key: "a", n: 1 }, { key: "a", n: 2 }, { key: "b", n: 5 }];
  const sums: number[] = [];
  const sum = () =>
    runJob((env) =>
      env.fromSource("s", fromIterable(records)).keyBy(({ key }) => key).reduce("sum", (left, right) => {
        left.n += right.n;
        return left;
      }).map(({ n }) => n).sinkTo("out", callbackSink((n) => void sums.push(n)))
    );
  await sum();
  deepEqual(records, [{ key: "a", n: 1 }, { key: "a", n: 2 }, { key: "b", n: 5 }]);
  await sum();
  deepEqual(sums, [1, 3, 5, 1, 3, 5]);
});

test("checkpoints in files without a folder are refused", async () => {
  await rejects(
    () =>
      runJob((env) => env.fromSource("s", fromIterable([1])).sinkTo("out", collectSink()), {
        config: { "execution.checkpointing.interval": "1 s", "execution.checkpointing.storage": "filesystem" },
      }),
    (error) => {
      ok(error instanceof StreamError && error.kind === "invalid");
      match(error.message, /execution\.checkpointing\.dir is not set; set the folder, or the storage to jobmanager/);
      return true;
    },
  );
});

test("files that are written once with checkpoints in memory, and a pipeline without a sink, are warned of", async () => {
  const inMemory = await shownDuring(() =>
    runJob((env) => env.fromSource("s", fromIterable(["a"])).sinkTo("out", fileSink("/out")), { config: ON_DEMAND })
  );
  match(inMemory, /^warning: Checkpoints are kept in memory: .*"out" cannot go on in \/out; set execution\./m);
  const collected = await shownDuring(() =>
    runJob((env) => env.fromSource("s", fromIterable([1])).sinkTo("out", collectSink()), { config: ON_DEMAND })
  );
  equal(collected, "");
  const endless = await shownDuring(() => runJob((env) => void env.fromSource("s", fromIterable([1])).map((n) => n)));
  equal(endless, 'warning: "test" has no sink: what it computes goes nowhere; end a stream with sinkTo(…)\n');
});

test("an error is logged as it is, also with braces in it", async () => {
  const shown = await shownDuring(() =>
    failJob((env) =>
      env.fromSource("s", fromIterable([{ w: 1 }])).map((value) => {
        throw new Error(`bad {w} ${JSON.stringify(value)}`);
      }).sinkTo("out", collectSink()), { restart: fixedDelay({ attempts: 1, delayMs: 7 }) })
  );
  const failure = 'Operator "map-1" failed at record 1 of subtask 0: {"w":1}: bad {w} {"w":1}';
  match(shown, /^error: /);
  equal(shown.split("\n")[0], `error: ${failure}; restarting in 7 ms`);
  ok(shown.includes("error: Giving up: "), shown);
});

test("a key selector that gives another key each time is refused at parallelism 2", async () => {
  let calls = 0;
  const values = Array.from({ length: 100 }, (_, i) => i);
  const error = await failJob(
    (env) =>
      env.fromSource("s", fromIterable(values)).keyBy(() => ++calls).reduce("sum", (left, right) => left + right)
        .sinkTo("out", collectSink()),
    { config: { "parallelism.default": 2 } },
  );
  match(error.message, /Cannot keep state in "sum": the function given to keyBy\(\) has returned another key/);
  ok(error instanceof StreamError && error.kind === "invalid");
});

test("a sink that cannot commit at the end of a job without checkpoints is named", async () => {
  const error = await failJob((env) =>
    env.fromSource("s", fromIterable([1])).sinkTo("out", {
      guarantee: "exactly-once",
      open: () => ({
        recover() {},
        write() {},
        prepareCommit: () => () => Promise.resolve(1),
        commit: () => Promise.reject(new Error("no such table")),
        close() {},
      }),
    })
  );
  equal(error.message, 'Operator "out" failed in subtask 0: no such table');
});

test("the properties of what is logged are there for programs with logging of their own", async () => {
  const records: LogRecord[] = [];
  await configure({
    sinks: { kept: (record: LogRecord) => void records.push(record) },
    loggers: [{ category: ["weir"], sinks: ["kept"] }, { category: ["logtape", "meta"], sinks: [] }],
  });
  try {
    await runJob((env) => void env.fromSource("s", fromIterable([1])));
  } finally {
    await reset();
  }
  deepEqual(records.map(({ properties }) => properties), [{ name: "test" }]);
});
