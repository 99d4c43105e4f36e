import { deepEqual, equal, ok } from "node:assert/strict";
import { test } from "node:test";
import { Interrupts } from "../../control/interrupts.ts";
import type { JobEnd, JobProgress, JobState, ObservedJob } from "../../control/observed_job.ts";
import { watchJob } from "../../control/terminal.ts";
import { ManualClock } from "../support/manual_clock.ts";

class FakeJob implements ObservedJob {
  readonly calls: string[] = [];
  readonly result: Promise<JobEnd>;
  state: JobState = "running";
  recordsIn = 0;
  #resolve: (end: JobEnd) => void = () => undefined;
  #reject: (error: Error) => void = () => undefined;

  constructor(readonly printsToOutput = false) {
    this.result = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  progress(): JobProgress {
    return {
      name: "job",
      state: this.state,
      recordsIn: this.recordsIn,
      recordsOut: 0,
      recordsSkipped: 0,
      watermarkMs: undefined,
      lastCheckpoint: undefined,
      checkpointsCompleted: 0,
      checkpointsFailed: 0,
      restarts: 0,
      sources: undefined,
      outputs: [],
    };
  }

  stop(): void {
    this.calls.push("stop");
  }

  cancel(): void {
    this.calls.push("cancel");
  }

  end(state: JobState, savepointPath: string | null = null): void {
    this.state = state;
    if (state === "failed") this.#reject(new Error("broken"));
    else this.#resolve({ savepointPath });
  }
}

interface Scene {
  readonly job: FakeJob;
  readonly clock: ManualClock;
  readonly code: Promise<number>;
  readonly written: string[];
  readonly exits: number[];
  readonly listeners: Set<() => void>;
  interrupt(): void;
}

function scene({ isTerminal = false, printsToOutput = false, columns = 80 } = {}): Scene {
  const job = new FakeJob(printsToOutput);
  const clock = new ManualClock();
  const written: string[] = [];
  const exits: number[] = [];
  const listeners = new Set<() => void>();
  const code = watchJob(job, {
    clock,
    screen: { isTerminal, columns, write: (text) => written.push(text) },
    outputIsTerminal: isTerminal,
    onInterrupt: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    exit: (exitCode) => exits.push(exitCode),
  });
  return {
    job,
    clock,
    code,
    written,
    exits,
    listeners,
    interrupt: () => {
      for (const listener of listeners) listener();
    },
  };
}

test("watchJob draws one line over itself, five times a second, on a terminal", async () => {
  const { job, clock, code, written } = scene({ isTerminal: true });
  for (let tick = 0; tick < 5; tick++) {
    job.recordsIn += 200;
    clock.advance(200);
  }
  equal(written.length, 5);
  for (const text of written) ok(text.startsWith("\r\x1b[2K") && !text.includes("\n"), text);
  ok(written[4]?.includes("in 1,000/s (1,000)"), written[4]);
  job.end("finished");
  equal(await code, 0);
  equal(written.length, 6);
  ok(written[5]?.startsWith("\r\x1b[2Kjob finished in 1.0 s\n"), written[5]);
  equal(clock.scheduledCount, 0);
});

test("watchJob never fills the last column: the line would wrap", async () => {
  const { job, clock, code, written } = scene({ isTerminal: true, columns: 20 });
  clock.advance(200);
  ok((written[0] ?? "").slice("\r\x1b[2K".length).length <= 19);
  job.end("finished");
  await code;
});

test("watchJob prints whole lines every ten seconds elsewhere, without escape sequences", async () => {
  const { job, clock, code, written } = scene();
  clock.advance(9_999);
  deepEqual(written, []);
  job.recordsIn = 500;
  clock.advance(10_001);
  equal(written.length, 2);
  equal(written[0], "job | running | in 50/s (500) | out 0/s (0) | watermark none\n");
  job.end("finished");
  await code;
  ok(!written.join("").includes("\r"));
});

test("watchJob draws no live line where a sink prints to the same terminal", async () => {
  const { job, clock, code, written } = scene({ isTerminal: true, printsToOutput: true });
  clock.advance(9_000);
  deepEqual(written, []);
  job.end("finished");
  await code;
  ok(!written.join("").includes("\r"));
});

test("watchJob gives exit code 0 for finished, 1 for failed, 130 for stopped and cancelled", async () => {
  const codes: [JobState, number][] = [["finished", 0], ["failed", 1], ["stopped", 130], ["cancelled", 130]];
  for (const [state, expected] of codes) {
    const { job, code, listeners } = scene();
    job.end(state);
    equal(await code, expected);
    equal(listeners.size, 0);
    await job.result.catch(() => undefined);
  }
});

test("watchJob gives exit code 0 for a job that was stopped with a savepoint, and says where that is", async () => {
  const { job, code, written } = scene();
  job.end("stopped", "/data/savepoint-1");
  equal(await code, 0);
  ok(written.join("").includes("\n  savepoint    /data/savepoint-1\n"), written.join(""));
});

test("watchJob stops the job at the first interrupt and cancels it at the next", async () => {
  const { job, clock, code, written, exits, interrupt } = scene({ isTerminal: true });
  interrupt();
  interrupt();
  deepEqual(job.calls, ["stop"]);
  deepEqual(written, ["\r\x1b[2KStopping after a last checkpoint; press Ctrl-C again to end at once\n"]);
  clock.advance(501);
  interrupt();
  deepEqual(job.calls, ["stop", "cancel"]);
  job.end("cancelled");
  equal(await code, 130);
  deepEqual(exits, []);
  equal(clock.scheduledCount, 0);
});

test("watchJob ends the process when a cancelled job does not end, and at the third interrupt", () => {
  const hanging = scene();
  hanging.interrupt();
  hanging.clock.advance(600);
  hanging.interrupt();
  hanging.clock.advance(999);
  deepEqual(hanging.exits, []);
  hanging.clock.advance(1);
  deepEqual(hanging.exits, [130]);

  const impatient = scene();
  impatient.interrupt();
  impatient.clock.advance(600);
  impatient.interrupt();
  impatient.clock.advance(600);
  impatient.interrupt();
  deepEqual(impatient.exits, [130]);
});

test("Interrupts counts two within 500 ms as one: a deno task delivers each Ctrl-C twice", () => {
  const decide = (timesMs: readonly number[]) => {
    const interrupts = new Interrupts();
    return timesMs.map((atMs) => interrupts.decide(atMs));
  };
  deepEqual(decide([0, 0]), ["stop", "ignore"]);
  deepEqual(decide([0, 0, 700, 700]), ["stop", "ignore", "cancel", "ignore"]);
  deepEqual(decide([0, 500, 501]), ["stop", "ignore", "cancel"]);
  deepEqual(decide([0, 600, 1_200]), ["stop", "cancel", "exit"]);
});
