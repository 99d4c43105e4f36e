/**
 * Answers, instead of running a pipeline, whether it would restore from a checkpoint or savepoint: for `--check` of a
 * script, and for `weir check`, which asks by an environment variable.
 *
 * Called by: control/check_request.ts, by dynamic import; control/cli/check.ts.
 * Calls: control/describe_pipeline.ts, control/cli/restore_verdict.ts, control/cli/opened_checkpoint.ts.
 *
 * @module
 */
import type { OperatorCheckpoint } from "../checkpoint/completed_checkpoint.ts";
import { FilesystemStorage } from "../checkpoint/filesystem_storage.ts";
import { auto } from "../core/auto_serializer.ts";
import type { StateDescriptor } from "../core/descriptors.ts";
import type { CheckpointType } from "../core/element.ts";
import { StreamError } from "../core/errors.ts";
import type { SerializerSnapshot } from "../core/serializer.ts";
import type { SnapshotReader } from "../core/snapshot.ts";
import { compatibilityOfState, type StateCompatibility, textOfWriter } from "../core/state_compatibility.ts";
import { checkPipeline } from "../runtime/job_checks.ts";
import type { JobSettings } from "../runtime/job_settings.ts";
import { userListName } from "../runtime/operator_states.ts";
import type { OperatorStateDescriptor } from "../core/operator_state.ts";
import { takenBy } from "../runtime/taken_state.ts";
import type { StreamGraph } from "../runtime/stream_graph.ts";
import { keyedHandles, openCheckpoint } from "./cli/opened_checkpoint.ts";
import {
  type DeclaredOperator,
  type DeclaredState,
  judgeRestore,
  type RestoreVerdict,
  type WrittenOperator,
  type WrittenState,
} from "./cli/restore_verdict.ts";
import { statesOf } from "./cli/state_statistics.ts";
import { type DescribedOperator, describePipeline, type DescriptionPorts } from "./describe_pipeline.ts";
import { UsageError } from "./usage_error.ts";

/** The answer about one snapshot, as `weir check --json` prints it. */
export interface RestoreCheck extends RestoreVerdict {
  /** Name of the job. */
  readonly job: string;
  /** The snapshot; null when there is nothing to restore: the job would start afresh. */
  readonly snapshot: {
    readonly path: string;
    readonly type: CheckpointType;
    readonly checkpointId: number;
    readonly jobName: string;
  } | null;
}

/**
 * Whether a pipeline would restore.
 *
 * @param path Of a checkpoint or savepoint; null: what `--from` says.
 * @throws {UsageError} If there is no path at all.
 * @throws {StreamError} If the snapshot is not there or damaged, or the pipeline cannot be run at all.
 */
export async function checkRestore(
  graph: StreamGraph,
  settings: JobSettings,
  ports: DescriptionPorts,
  path: string | null,
): Promise<RestoreCheck> {
  checkPipeline(graph, settings);
  const found = path ?? await pathToRestore(settings, ports);
  const described = await describePipeline(graph, settings, ports);
  const job = settings.name;
  if (found === null) {
    return { job, snapshot: null, ...judgeRestore([], declaredOperators(described), SETTINGS_OF_NONE) };
  }
  const opened = await openCheckpoint(ports.fileSystem, found);
  const { type, checkpointId, operators, job: { name: jobName } } = opened.metadata;
  const written: WrittenOperator[] = [];
  for (const operator of operators) written.push(await writtenOperator(operator, opened.reader));
  const verdict = judgeRestore(written, declaredOperators(described), {
    ignoreUnclaimed: settings.ignoreUnclaimedState,
  });
  return { job, snapshot: { path: opened.path, type, checkpointId, jobName }, ...verdict };
}

const SETTINGS_OF_NONE = { ignoreUnclaimed: false };

/** Null: nothing has completed yet. */
async function pathToRestore(
  { start, checkpointing, jobId }: JobSettings,
  ports: DescriptionPorts,
): Promise<string | null> {
  if (start.kind === "path") return start.path;
  if (start.kind === "fresh") {
    throw new UsageError("Cannot check: it is not said what to start from; add --from PATH or --from latest");
  }
  const root = checkpointing?.directory ?? null;
  if (root === null) {
    throw new UsageError(
      "Cannot check the latest checkpoint: set execution.checkpointing.interval and .dir, or give --from a path",
    );
  }
  const storage = new FilesystemStorage({ ...ports, root, jobId });
  const { above, origin } = await storage.lineage();
  const newest = (await storage.completedIds()).find((id) => id > above);
  return newest === undefined ? origin : `${storage.path}/chk-${newest}`;
}

async function writtenOperator(operator: OperatorCheckpoint, reader: SnapshotReader): Promise<WrittenOperator> {
  const keyed = (await statesOf(operator, reader, false)).flatMap(({ name, kind, writers }): WrittenState[] =>
    kind === "rows" ? [] : [{ name, kind, isKeyed: true, writers }]
  );
  const lists = new Map<string, WrittenState & { readonly writers: SerializerSnapshot[] }>();
  let hasState = keyedHandles(operator).length > 0;
  for (const { snapshot } of operator.subtasks) {
    for (const [name, { distribution, serializer, items }] of Object.entries(snapshot?.lists ?? {})) {
      hasState ||= items.length > 0;
      const own = userListName(name);
      if (own === null) continue;
      const list = lists.get(own) ?? { name: own, kind: distribution, isKeyed: false, writers: [] };
      lists.set(own, list);
      // A restore refuses lists that were written in two ways, so one writer tells.
      if (items.length > 0 && list.writers.length === 0) list.writers.push(serializer);
    }
  }
  return { operator, states: [...keyed, ...lists.values()], hasState };
}

function declaredOperators(described: readonly DescribedOperator[]): DeclaredOperator[] {
  return described.map((operator) => ({
    ...operator,
    takes: takenBy(operator, operator.isTold),
    states: [...operator.states.map(keyed), ...operator.lists.map(list)],
  }));
}

function keyed(descriptor: StateDescriptor): DeclaredState {
  const { name, kind } = descriptor;
  return {
    name,
    kind,
    ask(written, writer) {
      const answer = compatibilityOfState(descriptor, { kind: written.kind, ...writer });
      return written.kind === kind ? withWriter(answer, writer) : answer;
    },
  };
}

/** A refusal for people, who see no more than this line. */
function withWriter({ outcome, detail }: StateCompatibility, writer: SerializerSnapshot): StateCompatibility {
  if (outcome !== "incompatible") return { outcome, detail };
  return { outcome, detail: `its values were written by ${textOfWriter(writer)}, ${detail}` };
}

function list(descriptor: OperatorStateDescriptor): DeclaredState {
  const kind = descriptor.kind === "broadcast" ? "broadcast" : descriptor.distribution;
  const serializer = descriptor.serializer ?? auto<unknown>();
  return {
    name: descriptor.name,
    kind,
    ask: (written, writer) =>
      written.kind === kind ? withWriter(compatibilityOfState(serializer, writer), writer) : {
        outcome: "incompatible",
        detail: `it is dealt out as "${written.kind}" there and as "${kind}" here; give the new state another name`,
      },
  };
}

/** The answer for people: lines without a line break at the end. */
export function restoreCheckText({ job, snapshot, fits, operators }: RestoreCheck): string {
  if (snapshot === null) return `"${job}" has no checkpoint yet: it would start without state`;
  const { path, type, checkpointId, jobName } = snapshot;
  const of = jobName === job ? "" : ` of "${jobName}"`;
  return [
    `"${job}" would ${fits ? "" : "not "}restore from ${type} ${checkpointId}${of} in ${path}`,
    ...operators.flatMap(({ name, outcome, detail, parallelism: { from, to }, states }) => [
      `  ${name}: ${OUTCOME_TEXT[outcome]}${rescaled(from, to)}${behind(detail)}`,
      ...states.map((state) =>
        `    ${state.kind} state "${state.name}": ${OUTCOME_TEXT[state.outcome]}${behind(state.detail)}`
      ),
    ]),
  ].join("\n");
}

const OUTCOME_TEXT = {
  "as-is": "restored",
  migrated: "restored and migrated",
  new: "new",
  kept: "kept",
  dropped: "DROPPED",
  refused: "REFUSED",
} as const;

function rescaled(from: number | null, to: number | null): string {
  return from === null || to === null || from === to ? "" : `, parallelism ${from} → ${to}`;
}

function behind(detail: string): string {
  return detail === "" ? "" : `: ${detail}`;
}

/** What the checked script prints before its answer, so that the asking process finds it. */
export const ANSWER_MARK = "weir-check ";

/** The answer in what a script has printed. @throws {StreamError} If there is none. */
export function answerIn(output: string, script: string): { readonly check: RestoreCheck; readonly before: string } {
  const lines = output.split("\n");
  const at = lines.findLastIndex((line) => line.startsWith(ANSWER_MARK));
  if (at < 0) {
    throw new StreamError(
      "invalid",
      `Cannot check "${script}": it has ended without an execute(), so it is not known what it would restore; ` +
        "it must be a pipeline that runs to its execute()",
    );
  }
  // Written by `checkRestore` of the process that has just ended.
  const check = JSON.parse(lines[at]!.slice(ANSWER_MARK.length)) as RestoreCheck;
  return { check, before: lines.slice(0, at).join("\n") };
}
