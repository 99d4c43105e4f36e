import { deepEqual } from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { collectSink } from "../../connectors/collect_sink.ts";
import { fileSink } from "../../connectors/file_sink.ts";
import { systemFileSystem } from "../../runtime/system_file_system.ts";
import { sinkContract } from "../contracts/sink.ts";
import { MemoryFileSystem } from "../support/memory_file_system.ts";

interface Report {
  readonly airport: string;
  readonly late: number;
}

/** Lines of all files that readers see, in order of checkpoints. */
function visibleLines(files: MemoryFileSystem, folder: string): string[] {
  if (!files.has(folder)) return [];
  const order = (path: string) => Number(/part-(\d+)-/.exec(path)?.[1]);
  return files.files(folder)
    .filter((path) => !/\/\./.test(path))
    .sort((a, b) => order(a) - order(b))
    .flatMap((path) => files.text(path).split("\n").slice(0, -1));
}

for (const rollBytes of [1000, 1]) {
  sinkContract(`fileSink() that rolls at ${rollBytes} bytes`, () => {
    const fileSystem = new MemoryFileSystem();
    return {
      sink: fileSink<Report>("out/reports", { rollBytes }),
      record: (index) => ({ airport: `Ä${index}`, late: index }),
      visible: () => visibleLines(fileSystem, "out/reports").map((line): Report => JSON.parse(line)),
      fileSystem,
    };
  });
}

sinkContract("fileSink() on this machine's disk", () => {
  const folder = mkdtempSync(join(tmpdir(), "weir-file-sink-"));
  const order = (name: string) => Number(/^part-(\d+)-/.exec(name)?.[1]);
  return {
    sink: fileSink<Report>(join(folder, "out", "reports")),
    record: (index) => ({ airport: `Ä${index}`, late: index }),
    visible: () => {
      const path = join(folder, "out", "reports");
      const names = existsSync(path) ? readdirSync(path).filter((name) => !name.startsWith(".")) : [];
      return names.sort((a, b) => order(a) - order(b))
        .flatMap((name) => readFileSync(join(path, name), "utf8").split("\n").slice(0, -1))
        .map((line): Report => JSON.parse(line));
    },
    fileSystem: systemFileSystem,
    dispose: () => rmSync(folder, { recursive: true }),
  };
});

sinkContract("collectSink()", () => {
  const sink = collectSink<number>();
  return { sink, record: (index) => index, visible: () => [...sink.values] };
}, { mixesRuns: "it is made for one test, and starts empty for each run" });

test("collectSink() starts empty when a job runs again", () => deepEqual(collectSink().values, []));
