/** Makes the outputs that docs/command_line.md shows, from a small job. */
import { collectSink, type KeyedProcessFunction, mapState, valueState } from "../../../mod.ts";
import { checkRestore, restoreCheckText } from "../../../control/restore_check.ts";
import { Configuration } from "../../../core/config.ts";
import { Pipeline } from "../../../runtime/pipeline.ts";
import { jobSettings } from "../../../runtime/job_settings.ts";
import type { StreamGraph } from "../../../runtime/stream_graph.ts";
import { SeededRandom } from "../../connectors/contexts.ts";
import { HEAP } from "../../support/backend_kinds.ts";
import { TestWorld } from "../../support/job_harness.ts";
import { ManualClock } from "../../support/manual_clock.ts";
import { weir } from "./cli_rig.ts";
import { numbers } from "./sample_job.ts";
import { scriptedServer } from "./scripted_server.ts";

const COUNT = 9;
const ROOMS = ["attic", "cellar", "kitchen"];

const STATES = {
  readings: valueState<number>("readings"),
  hours: mapState<number, number>("hours"),
};

const warmest: KeyedProcessFunction<string, number, never, typeof STATES> = {
  state: STATES,
  onMessage(n, { state, timers }) {
    state.readings.update((state.readings.value() ?? 0) + 1);
    state.hours.set(Math.floor(n / 5), 17.5 + n);
    timers.registerProcessingTime(1e12);
  },
};

function build(pipeline: Pipeline, onRead?: (next: number) => void): void {
  pipeline.fromSource("sensors", numbers(COUNT, onRead)).keyBy((n) => ROOMS[n % 3]!)
    .process("warmest", warmest).sinkTo("report", collectSink());
}

/** The next version of the script. */
class NextVersion extends Pipeline {
  get written(): StreamGraph {
    this.fromSource("sensors", numbers(COUNT)).keyBy((n) => ROOMS[n % 3]!)
      .process("warmest", {
        state: { ...STATES, readings: mapState<string, number>("readings"), alarms: valueState<number>("alarms") },
        onMessage: () => {},
      }).sinkTo("report", collectSink());
    return this.graph;
  }
}

/** Command line → what it prints, as it is in the page. */
export async function pageExamples(): Promise<ReadonlyMap<string, string>> {
  const world = new TestWorld({
    "execution.checkpointing.interval": undefined,
    "execution.checkpointing.dir": undefined,
  });
  let read = 0;
  const config = { ...HEAP.options.config, "pipeline.name": "warm rooms" };
  const process = await world.start((env) => build(env, (next) => read = next), { config });
  await process.until(() => read === COUNT);
  const { path } = await process.settled(process.job.triggerSavepoint({ directory: "/savepoints" }));
  process.kill();
  const { fileSystem } = world;
  const job = `/checkpoints/${"0".repeat(32)}`;
  fileSystem.put(`${job}/_completed_once`, "");
  fileSystem.put(`${job}/chk-900/part`, new Uint8Array(2_000));
  fileSystem.put(`${job}/shared/${"e".repeat(32)}`, new Uint8Array(30_000));

  const examples = new Map<string, string>();
  const terminal = { fileSystem, outputIsTerminal: true, server: scriptedServer() };
  const show = async (shown: string, argv: readonly string[]): Promise<void> => {
    const { out, err } = await weir(argv, terminal);
    examples.set(`weir ${shown}`, lasting(out + err));
  };
  await show("list", ["list"]);
  await show("savepoint orders", ["savepoint", "orders"]);
  await show("inspect savepoints/savepoint-1cc23a-8f0e11aa59d2", ["inspect", path]);
  await show("dump savepoints/savepoint-1cc23a-8f0e11aa59d2 --state hours", ["dump", path, "--state", "hours"]);
  await show("gc checkpoints", ["gc", "/checkpoints"]);
  const settings = jobSettings("warm rooms", Configuration.of({}));
  const ports = { clock: new ManualClock(), random: new SeededRandom(), fileSystem };
  const check = await checkRestore(new NextVersion().written, settings, ports, path);
  examples.set(
    "weir check savepoints/savepoint-1cc23a-8f0e11aa59d2 rooms.ts",
    lasting(`${restoreCheckText(check)}\n`),
  );
  return examples;
}

/** Ids and times differ from run to run. */
function lasting(text: string): string {
  return text
    .replaceAll(/\/?savepoints\/savepoint-[0-9a-f]{6}-[0-9a-f]{12}/g, "savepoints/savepoint-1cc23a-8f0e11aa59d2")
    .replaceAll(/\/?checkpoints\/[0-9a-f]{32}/g, `checkpoints/${"1cc23a0e".repeat(4)}`)
    .replaceAll(/\(job [0-9a-f]{32}\)/g, `(job ${"1cc23a0e".repeat(4)})`)
    .replaceAll(/savepoint \d+/g, "savepoint 12")
    .replaceAll(/1970-01-01 \d\d:\d\d:\d\d/g, "2026-11-22 10:20:30");
}
