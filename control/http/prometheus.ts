/**
 * Writes what all jobs measure in the text format of Prometheus, under the names of Flink's own reporter, so that
 * dashboards made for Flink show a job of Weir.
 *
 * Called by: control/http/prometheus_routes.ts.
 * Calls: prom-client (text format, escaping), control/http/process_metrics.ts.
 *
 * @module
 */
import { Registry } from "prom-client";
import { MAX_WATERMARK, MIN_WATERMARK } from "../../core/element.ts";
import type { HistogramReading, MetricReading } from "../../runtime/metric_group.ts";
import type { ControlledJob, JobView } from "../../runtime/job_view.ts";
import type { JobDirectory } from "../job_directory.ts";
import { processValues, WORKER_ID } from "./process_metrics.ts";

type Labels = Readonly<Record<string, string>>;

interface Sample {
  readonly value: number;
  readonly labels: Labels;
  /** When it is not that of the family: the count of a summary. */
  readonly metricName?: string;
}

interface Family {
  readonly name: string;
  readonly help: string;
  readonly type: "counter" | "gauge" | "summary";
  readonly aggregator: "sum";
  readonly values: Sample[];
}

/** Longest value of a label, characters: that of an operator can be as long as its user likes. */
const LABEL_LENGTH = 200;

/** Type of the answer. */
export const PROMETHEUS_TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** The text for all jobs of the process. */
export async function prometheusText(jobs: JobDirectory): Promise<string> {
  const families = new Map<string, Family>();
  for (const { id, value } of processValues(jobs)) {
    if (typeof value === "number") add(families, `flink_jobmanager_${nameOf(id)}`, "gauge", { value, labels: {} });
  }
  for (const { job } of jobs.all()) addJob(families, job);
  const registry = new Registry();
  for (const family of families.values()) {
    // A registry asks a metric for its name and its samples, nothing else: what is a metric to it.
    registry.registerMetric({ name: family.name, get: () => Promise.resolve(family) } as never);
  }
  return await registry.metrics();
}

function addJob(families: Map<string, Family>, job: ControlledJob): void {
  const view = job.status();
  const labels = { job_id: view.id, job_name: label(view.name) };
  for (const reading of job.metrics.job.read()) addReading(families, "flink_jobmanager_job", reading, labels);
  const names = vertexLabels(view);
  for (const group of [...job.metrics.tasks(), ...job.metrics.operators()]) {
    const { scope } = group;
    if (scope.kind === "job") continue;
    const ofTask: Labels = {
      ...labels,
      tm_id: WORKER_ID,
      task_id: scope.vertexId,
      task_name: names.get(scope.vertexId)?.name ?? "",
      task_attempt_num: String(view.attempt),
      subtask_index: String(scope.subtaskIndex),
    };
    const family = scope.kind === "task" ? "flink_taskmanager_job_task" : "flink_taskmanager_job_task_operator";
    const all = scope.kind === "task" ? ofTask : {
      ...ofTask,
      operator_id: names.get(scope.vertexId)?.operatorIds.get(scope.operatorName) ?? "",
      operator_name: label(scope.operatorName),
    };
    for (const reading of group.read()) addReading(families, family, reading, all);
  }
}

function vertexLabels(view: JobView): Map<string, { name: string; operatorIds: Map<string, string> }> {
  return new Map(view.vertices.map(({ id, name, operators }) => [
    id,
    { name: label(name), operatorIds: new Map(operators.map((operator) => [operator.name, operator.id])) },
  ]));
}

function addReading(families: Map<string, Family>, scope: string, reading: MetricReading, ofScope: Labels): void {
  const name = `${scope}_${nameOf(reading.family ?? reading.name)}`;
  const own = reading.label;
  const labels = own === undefined ? ofScope : { ...ofScope, [nameOf(own.key)]: label(own.value) };
  if (reading.type === "histogram") return addSummary(families, name, reading.value, labels);
  const value = numberOf(reading.value);
  if (value === undefined) return;
  add(families, name, reading.type === "counter" ? "counter" : "gauge", { value, labels });
}

function addSummary(families: Map<string, Family>, name: string, value: HistogramReading, labels: Labels): void {
  const quantiles = { "0.5": value.median, "0.95": value.p95, "0.99": value.p99 };
  for (const [quantile, at] of Object.entries(quantiles)) {
    add(families, name, "summary", { value: at, labels: { ...labels, quantile } });
  }
  add(families, name, "summary", { value: value.count, labels, metricName: `${name}_count` });
}

/** A metric of one name has one type: the first that comes. */
function add(families: Map<string, Family>, name: string, type: Family["type"], sample: Sample): void {
  let family = families.get(name);
  if (family === undefined) {
    family = { name, help: name, type, aggregator: "sum", values: [] };
    families.set(name, family);
  }
  family.values.push(sample);
}

/** A number for what Prometheus can show: texts have none, but "true" and "false". Watermarks as Flink's longs. */
function numberOf(value: number | string): number | undefined {
  if (typeof value === "string") return value === "true" ? 1 : value === "false" ? 0 : undefined;
  if (value === MIN_WATERMARK) return -(2 ** 63);
  if (value === MAX_WATERMARK) return 2 ** 63;
  return value;
}

/** A name that Prometheus allows. */
function nameOf(name: string): string {
  return name.replaceAll(/[^A-Za-z0-9_:]/g, "_");
}

function label(text: string): string {
  // Some read these as the end of a line, too; `\n` is escaped.
  return text.slice(0, LABEL_LENGTH).replaceAll(/[\r\u2028\u2029]/g, " ");
}
