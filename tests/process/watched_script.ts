/** A script with a job that never ends by itself: for the tests of arguments, configuration and interrupts. */
import { commandLineOfProcess, configurationOfProcess } from "../../control/process_start.ts";
import {
  exitProcess,
  onInterrupt,
  outputIsTerminal,
  printLine,
  processScreen,
  setExitCode,
} from "../../control/process_surroundings.ts";
import type { JobEnd, JobProgress, JobState } from "../../control/observed_job.ts";
import { watchJob } from "../../control/terminal.ts";
import { delay } from "../../core/clock.ts";
import { DEFAULT_PARALLELISM } from "../../runtime/options.ts";
import { systemClock } from "../../runtime/system_clock.ts";
import { systemFileSystem } from "../../runtime/system_file_system.ts";

const commandLine = commandLineOfProcess({
  rate: { type: "number", default: 5, description: "printed" },
  stopMs: { type: "number", default: 0, description: "how long a graceful end takes, milliseconds" },
});
const { configuration } = await configurationOfProcess({
  commandLine,
  readFile: (path) => systemFileSystem.readFile(path),
});

let state: JobState = "running";
const { promise: result, resolve } = Promise.withResolvers<JobEnd>();
const end = (last: JobState) => {
  state = last;
  resolve({ savepointPath: null });
};
const progress = (): JobProgress => ({
  name: "watched",
  state,
  recordsIn: 1,
  recordsOut: 1,
  recordsSkipped: 0,
  watermarkMs: undefined,
  lastCheckpoint: undefined,
  checkpointsCompleted: 0,
  checkpointsFailed: 0,
  restarts: 0,
  sources: undefined,
  outputs: [],
});
const code = watchJob({
  progress,
  result,
  stop: () => void delay(systemClock, commandLine.scriptArgs.stopMs).then(() => end("stopped")),
  cancel: () => end("cancelled"),
  printsToOutput: true,
}, {
  clock: systemClock,
  screen: processScreen(),
  outputIsTerminal: outputIsTerminal(),
  onInterrupt,
  exit: exitProcess,
});
printLine(`ready rate=${commandLine.scriptArgs.rate} parallelism=${configuration.get(DEFAULT_PARALLELISM)}`);
setExitCode(await code);
exitProcess(await code);
