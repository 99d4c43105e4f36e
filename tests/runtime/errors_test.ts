import { match, ok, rejects, strictEqual as equal, throws } from "node:assert/strict";
import { test } from "node:test";
import {
  collectSink,
  fromAsyncIterable,
  fromIterable,
  KeyedActor,
  outputTag,
  type StreamEnvironment,
  StreamError,
  valueState,
  watermarks,
} from "../../mod.ts";
import { OperatorError } from "../../runtime/operator_error.ts";
import { failJob, ON_DEMAND, runJob, startJob, ValveSource } from "./engine_harness.ts";

class Echo extends KeyedActor<string, { readonly id: string }, string> {
  override onMessage(value: { readonly id: string }): void {
    this.emit(value.id);
  }
}

/** A promise where the type does not admit one: the mistake that JavaScript users can make. */
function promised<T>(value: T): T {
  return Promise.resolve(value) as unknown as T;
}

test("an error in map() names the operator, the number and an excerpt of the record, and keeps the cause", async () => {
  const cause = new Error("no such airport");
  const error = await failJob((env) => {
    env.fromSource("numbers", fromIterable([10, 20, 30])).map((n) => {
      if (n === 30) throw cause;
      return n;
    }).sinkTo("out", collectSink());
  });
  ok(error instanceof OperatorError);
  equal(error.operatorName, "map-1");
  equal(error.message, 'Operator "map-1" failed at record 3 of subtask 0: 30: no such airport');
  equal(error.cause, cause);
});

test("an error far downstream in a chain names the operator that threw, not those before it", async () => {
  const error = await failJob((env) => {
    env.fromSource("numbers", fromIterable([1])).flatMap((n) => [n, n]).process<number>("copy", (n, context) => {
      context.emit(n);
    }).filter(() => {
      throw new Error("thrown in filter");
    }).sinkTo("out", collectSink());
  });
  match(error.message, /^Operator "filter-3" failed at record 1 of subtask 0: 1: thrown in filter$/);
});

test("an excerpt is cut at 200 characters and shows bigints, cycles and undefined", async () => {
  const cyclic: Record<string, unknown> = {};
  cyclic["self"] = cyclic;
  const values: [unknown, RegExp][] = [
    ["x".repeat(1_000), /: "x{199}…: thrown$/],
    [{ id: 7n }, /: \{"id":"7n"\}: thrown$/],
    [cyclic, /: object: thrown$/],
    [undefined, /: undefined: thrown$/],
  ];
  for (const [value, expected] of values) {
    const error = await failJob((env) => {
      env.fromSource("values", fromIterable([value])).map(() => {
        throw new Error("thrown");
      }).sinkTo("out", collectSink());
    });
    match(error.message, expected);
  }
});

test("an error in an actor's timer names the operator, the timer and its key", async () => {
  class Bomb extends KeyedActor<string, number, never> {
    override onMessage(value: number): void {
      this.timers.registerEventTime(value);
    }
    override onTimer(): void {
      throw new Error("boom");
    }
  }
  const error = await failJob((env) => {
    env.fromSource("numbers", fromIterable([5]), watermarks((n) => n)).keyBy(() => "k").actor("bomb", () => new Bomb())
      .sinkTo("out", collectSink<never>());
  });
  match(error.message, /^Operator "bomb" failed .*\{"timer":5,"key":"k"\}: boom$/);
});

const promises: readonly [string, RegExp, (env: StreamEnvironment) => void][] = [
  ["map", /in "map-1": the function given to map\(\) returned a promise/, (env) => {
    env.fromSource("s", fromIterable([1])).map((n) => promised(n)).sinkTo("out", collectSink());
  }],
  ["filter", /in "filter-1": the function given to filter\(\) returned a promise/, (env) => {
    env.fromSource("s", fromIterable([1])).filter(() => promised(true)).sinkTo("out", collectSink());
  }],
  ["flatMap", /in "flatMap-1": the function given to flatMap\(\) returned a promise/, (env) => {
    env.fromSource("s", fromIterable([1])).flatMap((n) => promised([n])).sinkTo("out", collectSink());
  }],
  ["reduce", /in "sum": the function given to reduce\(\) returned a promise/, (env) => {
    env.fromSource("s", fromIterable([1, 2])).keyBy(() => 0).reduce("sum", (a, b) => promised(a + b))
      .sinkTo("out", collectSink());
  }],
  ["process", /in "step": the function given to process\(\) returned a promise/, (env) => {
    env.fromSource("s", fromIterable([1])).process("step", async () => {}).sinkTo("out", collectSink());
  }],
  ["keyed process", /in "step": onMessage\(\) returned a promise/, (env) => {
    env.fromSource("s", fromIterable([1])).keyBy((n) => n).process("step", { async onMessage() {} })
      .sinkTo("out", collectSink());
  }],
  ["actor", /in "actor": onMessage\(\) returned a promise/, (env) => {
    class Waiting extends KeyedActor<number, number, number> {
      override async onMessage(): Promise<void> {}
    }
    env.fromSource("s", fromIterable([1])).keyBy((n) => n).actor("actor", () => new Waiting())
      .sinkTo("out", collectSink());
  }],
  ["sink", /in "out": the sink's write\(\) returned a promise/, (env) => {
    env.fromSource("s", fromIterable([1])).sinkTo("out", {
      guarantee: "at-least-once",
      open: () => ({
        recover() {},
        async write() {},
        prepareCommit: () => () => Promise.resolve(undefined),
        commit() {},
        close() {},
      }),
    });
  }],
];
for (const [name, expected, build] of promises) {
  test(`a promise returned on the record path is refused with a remedy: ${name}`, async () => {
    const error = await failJob(build);
    match(error.message, expected);
    match(error.message, /do what is asynchronous in a source or a sink, or return the value itself$/);
    ok(error instanceof StreamError);
    equal(error.kind, "invalid");
  });
}

const badKeys: readonly [string, () => unknown, RegExp][] = [
  [
    "an object",
    () => ({ id: "a" }),
    /Cannot use an object as a key: .*; use a tuple \[a, b\] of its fields or a string/,
  ],
  ["NaN", () => Number.NaN, /Cannot use NaN as a key: .*; map it to a string/],
  ["undefined", () => undefined, /Cannot use undefined as a key: .*; drop such records with a filter before keyBy/],
  [
    "a promise",
    () => Promise.reject(new Error("lost")),
    /Cannot use a promise as a key: .*the key selector must be synchronous/,
  ],
];
for (const [what, key, expected] of badKeys) {
  for (const parallelism of [1, 3]) {
    test(`a key that is ${what} is refused with operator, record and remedy, parallelism ${parallelism}`, async () => {
      const error = await failJob((env) => {
        env.fromSource("orders", fromIterable([{ id: "a" }])).flatMap((order) => [order])
          // Types rule this out; JavaScript does not.
          .keyBy(() => key() as string).actor("echo", () => new Echo()).sinkTo("out", collectSink());
      }, { config: { "parallelism.default": parallelism } });
      match(error.message, /^Operator "echo" failed at record 1 of subtask 0: \{"id":"a"\}: Cannot use/);
      match(error.message, expected);
      equal((error as OperatorError).operatorName, "echo");
    });
  }
}

for (const parallelism of [1, 2]) {
  test(`an error in a key selector names the keyed operator, parallelism ${parallelism}`, async () => {
    const error = await failJob((env) => {
      env.fromSource("orders", fromIterable([{ id: "a" }, { id: "b" }])).keyBy((order) => {
        if (order.id === "b") throw new Error("no key");
        return order.id;
      }).actor("echo", () => new Echo()).sinkTo("out", collectSink());
    }, { config: { "parallelism.default": parallelism } });
    equal(error.message, 'Operator "echo" failed at record 2 of subtask 0: {"id":"b"}: no key');
  });
}

test("a timestamp that is none names the source, the record and the remedy", async () => {
  const error = await failJob((env) => {
    // Types rule this out; JavaScript does not.
    env.fromSource("s", fromIterable([{ at: "2001" }]), watermarks((e) => e.at as unknown as number))
      .sinkTo("out", collectSink());
  });
  match(error.message, /^Operator "s" failed at record 1 of subtask 0: \{"at":"2001"\}: Cannot give a record its/);
});

test("an error of a source that concerns no record shows none", async () => {
  const error = await failJob((env) => {
    env.fromSource(
      "s",
      fromIterable(function* () {
        yield 1;
        throw new Error("cable cut");
      }),
    ).sinkTo("out", collectSink());
  });
  equal(error.message, 'Operator "s" failed in subtask 0: cable cut');
});

test("a sink that cannot be opened or prepared is named", async () => {
  const broken = (where: "open" | "prepare") => ({
    guarantee: "at-least-once" as const,
    open() {
      if (where === "open") throw new Error("no such table");
      return {
        recover() {},
        write() {},
        prepareCommit: () => () => Promise.reject(new Error("disk full")),
        commit() {},
        close() {},
      };
    },
  });
  const opened = await failJob((env) => env.fromSource("s", fromIterable([1])).sinkTo("out", broken("open")));
  equal(opened.message, 'Operator "out" failed in subtask 0: no such table');
  const prepared = await failJob((env) => env.fromSource("s", fromIterable([1])).sinkTo("out", broken("prepare")), {
    config: ON_DEMAND,
  });
  match(prepared.message, /Operator "out" failed in subtask 0: disk full$/);
});

test("an actor made outside of its factory is refused with the remedy", () => {
  throws(() => new Echo(), (error) => {
    ok(error instanceof StreamError);
    match(error.message, /^Cannot make a Echo here: .*keyBy\(…\)\.actor\("name", \(\) => new Echo\(\)\)$/);
    return true;
  });
});

test("an actor that its factory has made before, for another subtask or attempt, is refused", async () => {
  let kept: Echo | undefined;
  const error = await failJob((env) => {
    env.fromSource("s", fromIterable([{ id: "a" }])).keyBy((value) => value.id).actor("echo", () => kept ??= new Echo())
      .sinkTo("out", collectSink());
  }, { config: { "parallelism.default": 2 } });
  match(error.message, /Cannot run "echo": the function given to actor\(\) returned no actor that it has just made/);
});

test("an actor factory that returns a promise is refused", async () => {
  const error = await failJob((env) => {
    env.fromSource("s", fromIterable([{ id: "a" }])).keyBy((value) => value.id)
      .actor("echo", () => promised(new Echo())).sinkTo("out", collectSink());
  });
  match(error.message, /returned a promise; make a new one at every call/);
});

test("state declared when the actor is at work is refused with the remedy", async () => {
  class Late extends KeyedActor<number, number, number> {
    override onMessage(): void {
      this.state(valueState<number>("late"));
    }
  }
  const error = await failJob((env) => {
    env.fromSource("s", fromIterable([1])).keyBy((n) => n).actor("late", () => new Late()).sinkTo("out", collectSink());
  });
  match(error.message, /Cannot declare state "late" in "late": the actor is at work; declare it in a field/);
});

test("a source that cannot go back is refused when there are checkpoints, and runs when there are none", async () => {
  async function* ticks() {
    yield await Promise.resolve(1);
  }
  const build = (env: StreamEnvironment) =>
    env.fromSource("ticks", fromAsyncIterable(ticks)).sinkTo("out", collectSink());
  await rejects(
    () => startJob(build, { config: ON_DEMAND }),
    /Cannot take checkpoints of source "ticks": .*declare it/,
  );
  equal((await runJob(build)).state, "finished");
});

test("names must be unique and not empty", async () => {
  await rejects(
    () =>
      startJob((env) => {
        env.fromSource("a", fromIterable([1])).sinkTo("a", collectSink());
      }),
    /Cannot add a second operator named "a": a name identifies the operator's state/,
  );
  await rejects(
    () => startJob((env) => env.fromSource(" ", fromIterable([1])).sinkTo("out", collectSink())),
    /Cannot add an operator named " ": a name must not be empty/,
  );
});

test("a step that throws within another operator's step is told once, with the first cause", async () => {
  const tag = outputTag<number>("odd");
  const error = await failJob((env) => {
    const step = env.fromSource("s", fromIterable([1])).process<number>(
      "split",
      (n, context) => context.emitTo(tag, n),
    );
    step.sideOutput(tag).map(() => {
      throw new RangeError("odd");
    }).sinkTo("odds", collectSink());
  });
  equal(error.message, 'Operator "map-2" failed at record 1 of subtask 0: 1: odd');
  ok(error.cause instanceof RangeError);
});

test("a failure fails the job once, closes what is open, and leaves nothing scheduled", async () => {
  const source = new ValveSource([[1, 2], [1, 2]]);
  let closed = 0;
  class Closing extends KeyedActor<number, number, number> {
    override onMessage(): void {
      throw new Error("no");
    }
    override onClose(): void {
      closed++;
    }
  }
  const run = await startJob((env) => {
    env.fromSource("s", source).setParallelism(2).keyBy((n) => n).actor("a", () => new Closing())
      .sinkTo("out", collectSink());
  }, { config: { ...ON_DEMAND, "parallelism.default": 2 } });
  source.openTo(2);
  await rejects(() => run.end(), /Operator "a" failed/);
  equal(closed, 2);
  equal(run.job.progress().state, "failed");
  equal(run.clock.scheduledCount, 0);
});
