/**
 * Serves the API for all jobs of the process that ask for the same address, from the first one's start until the last
 * one has ended and those who wait for results have read them.
 *
 * Called by: control/http.ts.
 * Calls: control/http/api.ts, control/http/listener.ts.
 *
 * Invariants:
 * - it does not end while a job lives or is about to start;
 * - it ends at most `LINGER_MS` after the last job.
 *
 * @module
 */
import { getLogger } from "@logtape/logtape";
import type { Cancel, Clock, Random } from "../../core/clock.ts";
import { messageOf } from "../../core/errors.ts";
import { JobDirectory, type ListedJob, type ReservedPlace } from "../job_directory.ts";
import { makeApi } from "./api.ts";
import type { ApiContext, ApiSettings } from "./context.ts";
import { disposalOf, type SnapshotFiles } from "./disposals.ts";
import { hostOf } from "./settings.ts";
import { type Answer, listen, type ListenAddress, type Listening } from "./listener.ts";
import { OperationStore } from "./operation_store.ts";

const log = getLogger(["weir", "control"]);

/** Longest wait for results to be read, once the last job has ended. */
export const LINGER_MS = 10_000;
/** A wait that a person at the terminal would wonder about, milliseconds. */
const NOTICED_MS = 2_000;
/** Wait after the last result was read: for its answer to be sent, and for a last look at the job. */
export const AFTERTHOUGHT_MS = 250;

/** Wait, at the very end, for answers under way: a client that is not done asking does not keep the process. */
export const CLOSE_GRACE_MS = 1_000;

/** What a server is made with. */
export interface ServerParts extends Pick<ApiContext, "resolvePath"> {
  /** Where it listens. */
  readonly address: ListenAddress;
  /** From the options. */
  readonly settings: ApiSettings;
  /** Time. */
  readonly clock: Clock;
  /** Ids. */
  readonly random: Random;
  /** Where savepoints are, and the lock of the jobs whose checkpoints are there. */
  readonly snapshotFiles: SnapshotFiles;
  /** Listens; the real one unless a test gives its own. */
  readonly listenOn?: (address: ListenAddress, answer: Answer) => Listening;
}

/** A server and its jobs. */
export class ApiServer {
  /** Where it can be reached. */
  readonly url: string;
  /** From the options. */
  readonly settings: ApiSettings;
  /** Settles when it has ended. */
  readonly ended: Promise<void>;
  readonly #jobs: JobDirectory = new JobDirectory();
  readonly #operations: OperationStore;
  readonly #clock: Clock;
  readonly #listening: Listening;
  #linger: Cancel | null = null;
  #lastEndMs = 0;
  #isClosing = false;
  #tellEnded: () => void = () => {};

  /** Listens at once. @throws {UsageError} If it cannot. */
  constructor({ address, settings, clock, random, snapshotFiles, resolvePath, listenOn = listen }: ServerParts) {
    this.settings = settings;
    this.#clock = clock;
    this.#operations = new OperationStore(clock, random, settings.storeDurationMs);
    const context: ApiContext = {
      resolvePath,
      disposeSavepoint: disposalOf(snapshotFiles, this.#jobs, resolvePath),
      settings,
      clock,
      random,
      jobs: this.#jobs,
      operations: this.#operations,
      startedMs: clock.nowMs(),
    };
    const app = makeApi(context);
    this.#listening = listenOn(address, (request) => hasAddress(request) ? app.fetch(request) : malformed());
    this.url = `http://${hostOf(address.hostname)}:${this.#listening.port}`;
    this.ended = new Promise((resolve) => this.#tellEnded = resolve);
    this.#operations.onRead(() => this.#endIfDone());
  }

  /** Whether it takes no more jobs. */
  get isClosing(): boolean {
    return this.#isClosing;
  }

  /** Keeps a place for a job. @throws {StreamError} If one with this id lives. */
  reserve(jobId: string): ReservedPlace {
    const place = this.#jobs.reserve(jobId);
    return {
      fill: (listed) => this.#add(place, listed),
      giveBack: () => {
        place.giveBack();
        this.#endIfDone();
      },
    };
  }

  #add(place: ReservedPlace, listed: ListedJob): void {
    place.fill(listed);
    const onEnd = () => {
      this.#lastEndMs = this.#clock.monotonicMs();
      this.#endIfDone();
    };
    listed.job.result.then(onEnd, onEnd);
  }

  #endIfDone(): void {
    this.#linger?.();
    this.#linger = null;
    if (this.#isClosing || this.#jobs.isBusy) return;
    if (this.#operations.size === 0) return this.#close();
    const leftMs = Math.max(0, this.#lastEndMs + LINGER_MS - this.#clock.monotonicMs());
    // Who waits for a result asks again and again: one that was left alone for long is wanted by nobody.
    const isAwaited = this.#operations.unreadCount(this.#lastEndMs - LINGER_MS) > 0;
    const waitMs = isAwaited ? leftMs : Math.min(leftMs, AFTERTHOUGHT_MS);
    if (waitMs <= NOTICED_MS) this.#linger = this.#clock.schedule(waitMs, () => this.#close());
    else this.#linger = this.#clock.schedule(NOTICED_MS, () => this.#waitOn(waitMs - NOTICED_MS));
  }

  #waitOn(waitMs: number): void {
    const seconds = Math.ceil(waitMs / 1_000);
    log.info("The HTTP API waits up to {seconds} s more for clients to read what they have asked for; Ctrl-C ends it", {
      seconds,
    });
    this.#linger = this.#clock.schedule(waitMs, () => this.#close());
  }

  #close(): void {
    this.#linger = null;
    if (this.#isClosing || this.#jobs.isBusy) return;
    this.#isClosing = true;
    this.#operations.clear();
    const cancel = this.#clock.schedule(CLOSE_GRACE_MS, () => this.#listening.abort());
    this.#listening.close()
      .finally(cancel)
      .catch((error) => log.warn("While ending the HTTP API: {reason}", { reason: messageOf(error) }))
      .then(this.#tellEnded);
  }
}

/** Whether the address of a request can be read: runtimes put it together from the Host header as it comes. */
function hasAddress(request: Request): boolean {
  try {
    return URL.canParse(request.url);
  } catch {
    return false;
  }
}

function malformed(): Response {
  return Response.json({ errors: ["The Host header or the path is malformed"] }, { status: 400 });
}
