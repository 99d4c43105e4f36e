import { deepEqual, equal, match, throws } from "node:assert/strict";
import { test } from "node:test";
import { chooseJob, jobsOf, type ListedJob } from "../../../control/cli/job_choice.ts";
import { UsageError } from "../../../control/usage_error.ts";

function job(id: string, name: string, state = "RUNNING", startedMs = 0): ListedJob {
  return { id: id.padEnd(32, "0"), name, state, startedMs, durationMs: 0, tasks: { running: 1, total: 1 } };
}

const A = job("abc1", "orders");
const B = job("abd2", "flights");
const OLD = job("abe3", "flights", "FINISHED");
const HEX = job("fff4", "abc");

test("chooseJob() takes an id, the beginning of one, a name, or the only job", () => {
  const cases: [ListedJob[], string | undefined, ListedJob][] = [
    [[A, B], A.id, A],
    [[A, B], A.id.toUpperCase(), A],
    [[A, B], "abd", B],
    [[A, B], "ABD", B],
    [[A, B], "orders", A],
    [[A], undefined, A],
    // Only one lives.
    [[A, OLD], undefined, A],
    [[OLD], undefined, OLD],
    [[B, OLD], "flights", B],
    // A name wins over the beginning of an id.
    [[A, HEX], "abc", HEX],
  ];
  for (const [jobs, named, expected] of cases) equal(chooseJob(jobs, named, "http://x"), expected, named);
});

test("chooseJob() refuses what is nobody or several, and lists who there is", () => {
  const cases: [ListedJob[], string | undefined, RegExp][] = [
    [[], undefined, /Cannot choose a job at http:\/\/x: none is there/],
    [[A, B], undefined, /there are 2, one must be named; name one of\n {2}abc10+ orders \(RUNNING\)\n {2}abd2/],
    [[A, B], "ab", /Cannot choose job "ab" at http:\/\/x: 2 are called so/],
    [[A, B], "none", /Cannot find job "none" at http:\/\/x: no id or name is like that/],
    [[OLD, { ...OLD, id: "f".repeat(32) }], "flights", /2 are called so/],
  ];
  for (const [jobs, named, pattern] of cases) {
    throws(() => chooseJob(jobs, named, "http://x"), (error: Error) => {
      match(error.message, pattern);
      return error instanceof UsageError;
    });
  }
});

test("jobsOf() reads GET /jobs/overview: those that live first, the newest first; what is missing is empty", () => {
  const listed = (jid: string, state: string, start: number) => ({ jid, name: jid, state, "start-time": start });
  const jobs = jobsOf({
    jobs: [listed("a", "FINISHED", 3), listed("b", "RUNNING", 1), listed("c", "FAILED", 4), listed("d", "RUNNING", 2)],
  });
  deepEqual(jobs.map(({ id }) => id), ["d", "b", "c", "a"]);
  deepEqual(jobs[0]!.tasks, { running: 0, total: 0 });
  for (const nothing of [null, undefined, {}, { jobs: 1 }, []]) deepEqual(jobsOf(nothing), []);
});
