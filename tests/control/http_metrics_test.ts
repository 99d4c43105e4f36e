import { deepEqual, equal, match, ok } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { stateGauge } from "../../backends/embedded/state_gauges.ts";
import { aggregate, parseRanges, valueText } from "../../control/http/metric_values.ts";
import { ApiRig } from "./http_rig.ts";
import { JOB, OTHER_JOB, sampleView, ScriptedJob, SINK, SOURCE } from "./scripted_job.ts";

const VERTEX = `/jobs/${JOB}/vertices/${SOURCE}`;

function rigWithCounts(): { rig: ApiRig; job: ScriptedJob } {
  const rig = new ApiRig();
  const job = rig.add(new ScriptedJob());
  job.metrics.task(SOURCE, 0).numRecordsIn.inc(10);
  job.metrics.task(SOURCE, 1).numRecordsIn.inc(30);
  job.metrics.operator(SOURCE, "parse", 1).numRecordsIn.inc(7);
  job.metrics.operator(SOURCE, "parse", 1).gauge("text", () => "words");
  for (const sample of [1, 2, 3, 4]) job.metrics.operator(SOURCE, "parse", 1).histogram("size").update(sample);
  return { rig, job };
}

/** Names in a list of metrics. */
function idsIn(body: unknown): string[] {
  ok(Array.isArray(body));
  return body.map(({ id }) => String(id));
}

test("GET metrics of a job: names without get, values as text with it, unknown names left out", async () => {
  const { rig, job } = rigWithCounts();
  job.metrics.job.numRestarts = 3;
  ok(idsIn(await rig.get(`/jobs/${JOB}/metrics`)).includes("lastCompletedCheckpointId"));
  deepEqual(await rig.get(`/jobs/${JOB}/metrics?get=numRestarts,noSuchThing,numRestarts`), [
    { id: "numRestarts", value: "3" },
  ]);
  deepEqual(await rig.get(`/jobs/${JOB}/metrics?get=noSuchThing`), []);
  await rig.refused(404, `/jobs/${OTHER_JOB}/metrics`);
});

test("GET metrics of a vertex: subtasks and operators stand in front of the name, a histogram has figures", async () => {
  const { rig } = rigWithCounts();
  const ids = idsIn(await rig.get(`${VERTEX}/metrics`));
  for (const id of ["0.numRecordsIn", "1.parse.numRecordsIn", "1.parse.size_median"]) ok(ids.includes(id), id);
  deepEqual(
    await rig.get(`${VERTEX}/metrics?get=1.numRecordsIn,1.parse.numRecordsIn,1.parse.text,1.parse.size_mean`),
    [
      { id: "1.numRecordsIn", value: "30" },
      { id: "1.parse.numRecordsIn", value: "7" },
      { id: "1.parse.text", value: "words" },
      { id: "1.parse.size_mean", value: "2.5" },
    ],
  );
  deepEqual(await rig.get(`${VERTEX}/subtasks/1/metrics?get=numRecordsIn`), [{ id: "numRecordsIn", value: "30" }]);
  deepEqual(await rig.get(`${VERTEX}/jm-operator-metrics`), []);
  await rig.refused(404, `${VERTEX}/subtasks/2/metrics`);
  await rig.refused(404, `/jobs/${JOB}/vertices/${"9".repeat(32)}/metrics`);
});

test("GET metrics of all subtasks: one number of many, over the subtasks that are asked for", async () => {
  const { rig } = rigWithCounts();
  const path = `${VERTEX}/subtasks/metrics`;
  deepEqual(await rig.get(`${path}?get=numRecordsIn`), [
    { id: "numRecordsIn", min: 10, max: 30, sum: 40, avg: 20, skew: 50 },
  ]);
  deepEqual(await rig.get(`${path}?get=numRecordsIn&agg=max,sum`), [{ id: "numRecordsIn", max: 30, sum: 40 }]);
  deepEqual(await rig.get(`${path}?get=numRecordsIn&agg=sum&subtasks=1-1`), [{ id: "numRecordsIn", sum: 30 }]);
  ok(!idsIn(await rig.get(path)).includes("parse.text"), "a text is no number");
  await rig.refused(400, `${path}?get=numRecordsIn&agg=median`);
  await rig.refused(400, `${path}?get=numRecordsIn&subtasks=x`);
});

test("a list of a query may be repeated, which is one list, and subtasks may be named again and again", async () => {
  const { rig } = rigWithCounts();
  const path = `${VERTEX}/subtasks/metrics`;
  const expected = [{ id: "numRecordsIn", max: 30, sum: 40 }];
  deepEqual(await rig.get(`${path}?get=numRecordsIn&agg=max&agg=sum&subtasks=1&subtasks=0`), expected);
  // A hundred million numbers, had each range its own.
  deepEqual(await rig.get(`${path}?get=numRecordsIn&agg=max,sum&subtasks=${"0-99999,".repeat(990)}0`), expected);
});

test("GET metrics of all jobs: over those that are asked for", async () => {
  const { rig, job } = rigWithCounts();
  job.metrics.job.numRestarts = 3;
  rig.add(new ScriptedJob(sampleView(OTHER_JOB))).metrics.job.numRestarts = 1;
  deepEqual(await rig.get("/jobs/metrics?get=numRestarts&agg=sum"), [{ id: "numRestarts", sum: 4 }]);
  deepEqual(await rig.get(`/jobs/metrics?get=numRestarts&agg=sum&jobs=${JOB}`), [{ id: "numRestarts", sum: 3 }]);
  await rig.refused(404, `/jobs/metrics?jobs=${"9".repeat(32)}`);
});

test("GET metrics of the process, as job manager and as task manager", async () => {
  const { rig } = rigWithCounts();
  for (const path of ["/jobmanager/metrics", "/taskmanagers/local/metrics"]) {
    deepEqual(await rig.get(`${path}?get=taskSlotsTotal,numRunningJobs`), [
      { id: "taskSlotsTotal", value: "2" },
      { id: "numRunningJobs", value: "1" },
    ]);
  }
  deepEqual(await rig.get("/taskmanagers/metrics?get=taskSlotsTotal&agg=max"), [{ id: "taskSlotsTotal", max: 2 }]);
  await rig.refused(404, "/taskmanagers/other/metrics");
});

test("GET /metrics is read by Prometheus, with the names of Flink's reporter", async () => {
  const { rig, job } = rigWithCounts();
  job.metrics.task(SINK, 0).isBackPressured = true;
  job.metrics.operator(SOURCE, "parse", 0).counter("with spaces-and\nmore").inc(2);
  const { body, headers, status } = await rig.ask("/metrics");
  equal(status, 200);
  equal(headers.get("content-type"), "text/plain; version=0.0.4; charset=utf-8");
  const text = String(body);
  const lineOf = (start: string) => text.split("\n").find((line) => line.startsWith(start)) ?? "";
  match(lineOf("flink_jobmanager_numRunningJobs"), / 1$/);
  match(lineOf("flink_jobmanager_job_numRestarts"), new RegExp(`job_id="${JOB}",job_name="sample"} 0$`));
  ok(text.includes("# TYPE flink_taskmanager_job_task_numRecordsIn counter"));
  match(lineOf("flink_taskmanager_job_task_numRecordsIn"), /task_name="lines -> parse".*subtask_index="0"} 10$/);
  match(lineOf("flink_taskmanager_job_task_operator_with_spaces_and_more"), /operator_name="parse"} 2$/);
  ok(text.includes("# TYPE flink_taskmanager_job_task_operator_size summary"));
  ok(/operator_size\{.*quantile="0.5"\} 2.5/.test(text));
  ok(/operator_size_count\{.*\} 4/.test(text));
  ok(/isBackPressured\{[^}]*task_id="d+"[^}]*\} 1/.test(text));
  ok(!text.includes("operator_text"), "a text is no number");
});

test("GET /metrics shows figures of a state under its name, or as one family with the state as a label", async () => {
  for (const asVariable of [false, true]) {
    const { rig, job } = rigWithCounts();
    const operator = job.metrics.operator(SOURCE, "parse", 0);
    stateGauge(operator, "totals", asVariable)("rocksdb.num-snapshots", () => 2);
    stateGauge(operator, 'own "counts"', asVariable)("rocksdb.num-snapshots", () => 3);
    const text = String((await rig.ask("/metrics")).body);
    const lines = text.split("\n").filter((line) => /^flink.*rocksdb_num_snapshots/.test(line));
    const shown = lines.map((line) => /operator_(\w+)\{.*?(?:,column_family="(.*)")?\} (\d)/.exec(line)?.slice(1));
    deepEqual(
      shown,
      asVariable
        ? [["column_family_rocksdb_num_snapshots", "totals", "2"], [
          "column_family_rocksdb_num_snapshots",
          'own \\"counts\\"',
          "3",
        ]]
        : [["totals_rocksdb_num_snapshots", undefined, "2"], ["own__counts__rocksdb_num_snapshots", undefined, "3"]],
    );
    const id = asVariable ? "column_family.totals.rocksdb.num-snapshots" : "totals.rocksdb.num-snapshots";
    deepEqual(await rig.get(`${VERTEX}/subtasks/0/metrics?get=parse.${id}`), [{ id: `parse.${id}`, value: "2" }]);
  }
});

test("every line of /metrics is a comment or a sample, whatever jobs and operators are called", async () => {
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: "binary" }), fc.string({ minLength: 1 }), async (name, metric) => {
      const rig = new ApiRig();
      const job = rig.add(new ScriptedJob(sampleView(JOB, name)));
      job.metrics.operator(SOURCE, "parse", 0).counter(`own ${metric}`).inc();
      const text = String((await rig.ask("/metrics")).body);
      for (const line of text.split("\n")) {
        ok(/^(|#.*|[A-Za-z_:][\w:]*(\{.*\})? (NaN|[-+\w.]+))$/u.test(line), line);
      }
    }),
    { numRuns: 20, examples: [["a\r\n\u2028b", "\r"]] },
  );
});

test("aggregate() and parseRanges() as Flink's", () => {
  const cases = [["min", 1], ["max", 5], ["sum", 9], ["avg", 3]] as const;
  for (const [aggregation, expected] of cases) equal(aggregate(aggregation, [1, 3, 5]), expected);
  equal(aggregate("skew", [4, 4]), 0);
  equal(aggregate("skew", [0, 0]), 0);
  deepEqual(parseRanges("0-2,7"), new Set([0, 1, 2, 7]));
  deepEqual(parseRanges("7,1-3,2,0-1"), new Set([0, 1, 2, 3, 7]));
  for (const wrong of ["", "a", "3-1", "1-", "-1", "1,,2", "1-2-3"]) equal(parseRanges(wrong), undefined, wrong);
  equal(valueText(-Infinity), "-9223372036854775808");
  equal(valueText(Infinity), "9223372036854775807");
  equal(valueText(NaN), "NaN");
});
