/**
 * A pipeline whose output depends on its input alone, not on how it is run: a source of several splits, a keyed actor
 * with three kinds of state and event-time timers, two exactly-once sinks; and the batch computation of that output.
 *
 * Called by: tests of failures, restores and rescaling.
 * Calls: mod.ts.
 */
import type { Cancel } from "../../core/clock.ts";
import {
  type CollectSink,
  collectSink,
  fileSink,
  KeyedActor,
  listState,
  mapState,
  type ReadStatus,
  type Sink,
  type SinkWriter,
  type Source,
  type SourceContext,
  type SourceOutput,
  type SourceReader,
  type SplitPosition,
  type StreamEnvironment,
  valueState,
  watermarks,
} from "../../mod.ts";
import { outputTag } from "../../runtime/side_output.ts";
import type { MemoryFileSystem } from "./memory_file_system.ts";
import { Saboteur } from "./saboteur.ts";

/** One record of the input. */
export interface Entry {
  /** 0-based, unique. */
  readonly n: number;
  readonly key: string;
  /** Event time. */
  readonly atMs: number;
}

/** What is emitted for each key and window. */
export interface Page {
  readonly key: string;
  readonly endMs: number;
  readonly count: number;
  readonly sum: number;
  /** Entries of this key in all windows up to this one. */
  readonly total: number;
}

/** Length of a window, event time. */
export const WINDOW_MS = 100;
const KEYS = 7;
const SPLITS = 6;
/** Where the pages go. */
export const PAGES = "/out/pages";

function entry(n: number): Entry {
  return { n, key: `k${(n * 7919) % 101 % KEYS}`, atMs: n * 3 };
}

function windowEnd(atMs: number): number {
  return (Math.floor(atMs / WINDOW_MS) + 1) * WINDOW_MS;
}

/** What the pipeline has to put out, sorted. */
export function oracle(count: number): { readonly pages: string[]; readonly seen: number[] } {
  const pages = new Map<string, Page>();
  const totals = new Map<string, number>();
  for (let n = 0; n < count; n++) {
    const { key, atMs } = entry(n);
    const endMs = windowEnd(atMs);
    const id = `${key} ${endMs}`;
    const total = (totals.get(key) ?? 0) + 1;
    totals.set(key, total);
    const page = pages.get(id) ?? { key, endMs, count: 0, sum: 0, total };
    pages.set(id, { key, endMs, count: page.count + 1, sum: page.sum + n, total });
  }
  return {
    pages: [...pages.values()].map((page) => JSON.stringify(page)).sort(),
    seen: Array.from({ length: count }, (_, n) => n),
  };
}

/** The pages that readers of the folder see, sorted. */
export function pagesIn(files: MemoryFileSystem, folder = PAGES): string[] {
  if (!files.has(folder)) return [];
  return files.files(folder).filter((path) => !/\/\./.test(path)).flatMap((path) =>
    files.text(path).split("\n").slice(0, -1)
  ).sort();
}

/** How the pipeline is put together. */
export interface LedgerOptions {
  /** Records of the input. */
  readonly count: number;
  readonly saboteur?: Saboteur;
  /** Records between two waits of 1 ms. */
  readonly perMs?: number;
  /** Takes the number of every entry; one is made when absent. */
  readonly seen?: CollectSink<number>;
  /** Resolves before a source is open. */
  readonly opening?: () => Promise<void>;
  /** The source waits for ever at the end of the input. */
  readonly endless?: boolean;
}

const seenTag = outputTag<number>("seen");

/** Adds the pipeline to an environment. */
export function ledger(env: StreamEnvironment, options: LedgerOptions): void {
  const { saboteur = new Saboteur(), seen = collectSink<number>() } = options;
  const pages = env.fromSource(
    "entries",
    new EntrySource(options, saboteur),
    watermarks((one: Entry) => one.atMs).monotonous(),
  ).keyBy((one) => one.key).actor("pages", () => new PageActor(saboteur));
  pages.sideOutput(seenTag).sinkTo("seen", seen);
  pages.sinkTo("pages-out", sabotaged(fileSink<Page>(PAGES), saboteur));
}

class PageActor extends KeyedActor<string, Entry, Page> {
  readonly #total = this.state(valueState<number>("total", { default: 0 }));
  readonly #counts = this.state(mapState<number, number>("counts"));
  readonly #numbers = this.state(listState<number>("numbers"));

  constructor(private readonly saboteur: Saboteur) {
    super();
  }

  override onOpen(): void {
    this.saboteur.pass("actor onOpen");
  }

  override onMessage({ n, atMs }: Entry): void {
    this.saboteur.pass("actor onMessage");
    const endMs = windowEnd(atMs);
    this.#counts.set(endMs, (this.#counts.get(endMs) ?? 0) + 1);
    this.#numbers.add(n);
    this.timers.registerEventTime(endMs - 1);
    this.emitTo(seenTag, n);
  }

  override onTimer(timestampMs: number): void {
    this.saboteur.pass("actor onTimer");
    const endMs = timestampMs + 1;
    const numbers = [...this.#numbers.get()];
    const own = numbers.filter((n) => windowEnd(entry(n).atMs) === endMs);
    const count = this.#counts.get(endMs) ?? 0;
    const total = this.#total.value() + count;
    this.#total.update(total);
    this.#counts.delete(endMs);
    this.#numbers.clear();
    for (const n of numbers) if (!own.includes(n)) this.#numbers.add(n);
    this.emit({ key: this.key, endMs, count, sum: own.reduce((sum, n) => sum + n, 0), total });
  }
}

class EntrySource implements Source<Entry> {
  readonly boundedness = "bounded";
  readonly replayable = true;
  readonly maxParallelism = SPLITS;

  constructor(private readonly options: LedgerOptions, private readonly saboteur: Saboteur) {}

  async open(context: SourceContext): Promise<SourceReader<Entry>> {
    this.saboteur.pass("source open");
    await this.options.opening?.();
    const { subtaskIndex, parallelism } = context;
    const own = context.restored ?? Array.from({ length: SPLITS }, (_, split) => split)
      .filter((split) => split % parallelism === subtaskIndex)
      .map((split) => ({ split: String(split), position: split }));
    return new EntryReader(context, own, this.options, this.saboteur);
  }
}

/** Emits the entries of its splits in order of their numbers, so that event time never goes back. */
class EntryReader implements SourceReader<Entry> {
  /** Next number of each split; a split holds every n that is the same modulo the number of splits. */
  readonly #next: Map<string, number>;
  #cancelWait: Cancel = () => {};

  constructor(
    private readonly context: SourceContext,
    splits: readonly SplitPosition[],
    private readonly options: LedgerOptions,
    private readonly saboteur: Saboteur,
  ) {
    this.#next = new Map(splits.map(({ split, position }) => [split, Number(position)]));
  }

  read(output: SourceOutput<Entry>): ReadStatus {
    this.saboteur.pass("source read");
    const { count, perMs = 5, endless = false } = this.options;
    for (let emitted = 0; emitted < perMs; emitted++) {
      const [split, n] = this.#smallest();
      if (n >= count) return endless ? new Promise(() => {}) : "ended";
      this.#next.set(split, n + SPLITS);
      if (!output.collect(entry(n), n)) return "ready";
    }
    return new Promise((resolve) => this.#cancelWait = this.context.clock.schedule(1, resolve));
  }

  #smallest(): [split: string, n: number] {
    let smallest: [string, number] = ["", Number.POSITIVE_INFINITY];
    for (const one of this.#next) if (one[1] < smallest[1]) smallest = one;
    return smallest;
  }

  position(): readonly SplitPosition[] {
    return [...this.#next].map(([split, position]) => ({ split, position }));
  }

  checkpointCompleted(): void {
    this.saboteur.pass("source completed");
  }

  close(): void {
    this.#cancelWait();
  }
}

/** A sink that fails when the saboteur says so. */
export function sabotaged<T, C>(sink: Sink<T, C>, saboteur: Saboteur): Sink<T, C> {
  return {
    ...sink,
    async open(context): Promise<SinkWriter<T, C>> {
      saboteur.pass("sink open");
      const writer = await sink.open(context);
      return {
        async recover(start) {
          saboteur.pass("sink recover");
          await writer.recover(start);
        },
        write(value, timestampMs) {
          saboteur.pass("sink write");
          writer.write(value, timestampMs);
        },
        backpressure: () => writer.backpressure?.(),
        prepareCommit(checkpointId) {
          saboteur.pass("sink prepareCommit");
          const prepare = writer.prepareCommit(checkpointId);
          return async () => {
            saboteur.pass("sink prepare");
            return await prepare();
          };
        },
        async commit(committable, checkpointId) {
          saboteur.pass("sink commit");
          await writer.commit(committable, checkpointId);
          saboteur.pass("sink committed");
        },
        close: () => writer.close(),
      };
    },
  };
}
