/**
 * Runs a job whose checkpoints and output are on a real disk of 512 KiB: fills the disk, makes room again, stops, and
 * says what happened. Prints "no disk" where none can be mounted.
 *
 * Called by: full_disk_test.ts, as a process of its own, with a folder as argument.
 */
import { spawnSync } from "node:child_process";
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, writeSync } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";
import process from "node:process";
import { fileSink, fromAsyncIterable, KeyedActor, StreamEnvironment, valueState } from "../../mod.ts";

class Counter extends KeyedActor<string, number, number> {
  readonly #count = this.state(valueState<number>("count", { default: 0 }));

  override onMessage(n: number): void {
    this.#count.update(this.#count.value() + 1);
    this.emit(n);
  }
}

async function* numbers(): AsyncGenerator<number> {
  for (let n = 0;; n++) {
    if (n % 10 === 0) await wait(2);
    yield n;
  }
}

/** Takes all room that is left on the disk. */
function fill(path: string): void {
  const file = openSync(path, "w");
  try {
    for (const piece of [65_536, 4_096, 1]) {
      const bytes = new Uint8Array(piece);
      try {
        while (writeSync(file, bytes) === piece) { /* until it is full */ }
      } catch {
        // Full: a smaller piece may still fit.
      }
    }
  } finally {
    closeSync(file);
  }
}

async function until(what: string, condition: () => boolean): Promise<void> {
  for (let tries = 0; !condition(); tries++) {
    if (tries > 2_000) throw new Error(`waited too long for ${what}`);
    await wait(5);
  }
}

async function main(disk: string): Promise<void> {
  const env = StreamEnvironment.create({
    argv: [],
    config: {
      "execution.checkpointing.interval": 30,
      "execution.checkpointing.dir": `${disk}/checkpoints`,
      "execution.checkpointing.data-inline-threshold": 0,
      "execution.checkpointing.tolerable-failed-checkpoints": 10_000,
    },
  });
  env.fromSource("numbers", fromAsyncIterable(numbers, { replayable: true, unbounded: true }))
    .keyBy((n) => `key ${n % 100}`).actor("counts", () => new Counter())
    .sinkTo("out", fileSink(`${disk}/out`));
  const job = await env.executeAsync("full disk");
  const counts = () => job.checkpoints!.counts;
  await until("a first checkpoint", () => counts().completed > 1);
  fill(`${disk}/ballast`);
  await until("failures", () => counts().failed > 2);
  const { message } = job.checkpoints!.latestFailed!.failure!;
  rmSync(`${disk}/ballast`);
  const before = counts().completed;
  await until("checkpoints to go on", () => counts().completed > before + 1);
  job.stop();
  const { state, restarts } = await job.result;
  const visible = readdirSync(`${disk}/out`).filter((name) => !name.startsWith("."));
  const seen = visible.flatMap((name) => readFileSync(`${disk}/out/${name}`, "utf8").trim().split("\n").map(Number))
    .sort((a, b) => a - b);
  const isWhole = seen.length > 0 && seen.every((n, index) => n === index);
  process.stdout.write(
    `${JSON.stringify({ state, restarts, isWhole, isFull: /ENOSPC|No space left/.test(message) })}\n`,
  );
}

const disk = process.argv[2]!;
mkdirSync(disk, { recursive: true });
const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=512k", "tmpfs", disk]);
if (mounted.status !== 0) {
  process.stdout.write("no disk\n");
} else {
  try {
    await main(disk);
  } finally {
    spawnSync("umount", ["-l", disk]);
  }
}
process.exit(0);
