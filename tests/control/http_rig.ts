/**
 * Asks the HTTP API without a socket: requests go to `app.request(…)`, time stands still, and each answer is checked
 * against the OpenAPI document that the API publishes.
 */
import { deepEqual, fail, ok } from "node:assert/strict";
import { type ApiApp, makeApi } from "../../control/http/api.ts";
import type { ApiContext, ApiSettings } from "../../control/http/context.ts";
import { LOOPBACK_HOSTS } from "../../control/http/guard.ts";
import { OperationStore } from "../../control/http/operation_store.ts";
import { JobDirectory, type ListedJob } from "../../control/job_directory.ts";
import type { ControlledJob } from "../../runtime/job_view.ts";
import { SeededRandom } from "../connectors/contexts.ts";
import { ManualClock } from "../support/manual_clock.ts";
import { type JsonSchema, type Schemas, violations } from "./http_schema_check.ts";

/** How a request differs from a plain GET by a local client. */
export interface Ask {
  readonly method?: string;
  /** Sent as JSON, unless it is a string: that is sent as it is. */
  readonly body?: unknown;
  /** Over `host: localhost:8081` and, with a body, `content-type: application/json`; null leaves one out. */
  readonly headers?: Readonly<Record<string, string | null>>;
}

/** An answer that fits the document. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  /** Parsed JSON, or the text of any other type; null when there is none. */
  readonly body: unknown;
}

interface Documented {
  readonly content?: Readonly<Record<string, { readonly schema?: JsonSchema }>>;
}

interface Document {
  readonly paths: Readonly<Record<string, Readonly<Record<string, { responses: Record<string, Documented> }>>>>;
  readonly components: { readonly schemas: Schemas };
}

/** What a rig is made with. */
export interface RigOptions {
  readonly settings?: Partial<ApiSettings>;
  readonly context?: Partial<ApiContext>;
  /** That of a job in virtual time, for example. */
  readonly clock?: ManualClock;
  /** Operations that are kept at most. */
  readonly operationLimit?: number;
}

/** An API with its jobs. */
export class ApiRig {
  readonly clock: ManualClock;
  readonly jobs: JobDirectory = new JobDirectory();
  readonly operations: OperationStore;
  readonly context: ApiContext;
  readonly app: ApiApp;
  /** Paths that were to be disposed of. */
  readonly disposed: string[] = [];
  #document: Document | null = null;

  constructor(options: RigOptions = {}) {
    this.clock = options.clock ?? new ManualClock({ startMs: 10_000 });
    const random = new SeededRandom(7);
    const settings: ApiSettings = {
      token: null,
      hosts: new Set(LOOPBACK_HOSTS),
      listensEverywhere: false,
      allowedOrigins: [],
      maxContentLength: 10_000,
      storeDurationMs: 300_000,
      refreshIntervalMs: 3_000,
      exceptionHistorySize: 16,
      ...options.settings,
    };
    this.operations = new OperationStore(this.clock, random, settings.storeDurationMs, options.operationLimit);
    this.context = {
      jobs: this.jobs,
      operations: this.operations,
      clock: this.clock,
      random,
      settings,
      startedMs: this.clock.nowMs(),
      resolvePath: (path) => Promise.resolve(path),
      disposeSavepoint: (path) => Promise.resolve(void this.disposed.push(path)),
      ...options.context,
    };
    this.app = makeApi(this.context);
  }

  /** Lists a job, with folders `/savepoints` and `/checkpoints` unless told otherwise. */
  add<J extends ControlledJob>(job: J, listed: Partial<ListedJob> = {}): J {
    this.jobs.reserve(job.id).fill({
      job,
      configuration: [],
      savepointDirectory: "/savepoints",
      checkpointDirectory: "/checkpoints",
      ...listed,
    });
    return job;
  }

  /** Sends a request; the answer is as documented. */
  async ask(path: string, ask: Ask = {}): Promise<Answer> {
    const response = await this.app.request(path, initOf(ask));
    const answer = await answerOf(response);
    await this.#check(ask.method ?? "GET", path, answer);
    return answer;
  }

  /** GET that must be answered with 200. */
  async get(path: string): Promise<unknown> {
    const { status, body } = await this.ask(path);
    deepEqual([status, status === 200 ? null : body], [200, null]);
    return body;
  }

  /** Sends a request that must be refused with this status, and with messages in the form of all errors. */
  async refused(status: number, path: string, ask: Ask = {}): Promise<readonly string[]> {
    const answer = await this.ask(path, ask);
    deepEqual([answer.status, path], [status, path]);
    const errors = typeof answer.body === "object" && answer.body !== null && "errors" in answer.body
      ? answer.body.errors
      : undefined;
    ok(Array.isArray(errors) && errors.length > 0, `${path}: no errors in ${JSON.stringify(answer.body)}`);
    return errors.map(String);
  }

  /** The document that the API publishes. */
  async document(): Promise<Document> {
    if (this.#document === null) {
      const { token } = this.context.settings;
      const headers = { host: "localhost", authorization: `Bearer ${token}` };
      const response = await this.app.request("/openapi.json", { headers });
      // Checked by the tests of the document.
      this.#document = await response.json() as Document;
    }
    return this.#document;
  }

  async #check(method: string, path: string, { status, headers, body }: Answer): Promise<void> {
    const { paths, components } = await this.document();
    const bare = (path.split("?")[0] ?? "").replace(/^\/v1(?=\/|$)/, "");
    const fitting = Object.keys(paths).filter((template) => fits(bare, template));
    // One without parameters wins.
    const template = fitting.find((one) => !one.includes("{")) ?? fitting[0];
    const documented = template === undefined ? undefined : paths[template]?.[method.toLowerCase()];
    if (documented === undefined) {
      // The document itself, and what does not exist, are not in it.
      ok(
        status >= 400 || bare === "/openapi.json" || method === "OPTIONS" || method === "HEAD",
        `${method} ${path}: ${status} is not documented`,
      );
      return;
    }
    const answer = documented.responses[String(status)];
    if (answer === undefined) fail(`${method} ${path}: status ${status} is not documented: ${JSON.stringify(body)}`);
    const type = headers.get("content-type")?.split(";")[0] ?? "";
    const schema = answer.content?.[type]?.schema;
    if (answer.content !== undefined && schema === undefined) fail(`${method} ${path}: type ${type} is not documented`);
    if (schema !== undefined) deepEqual(violations(body, schema, components.schemas), [], `${method} ${path}`);
  }
}

function fits(path: string, template: string): boolean {
  return new RegExp(`^${template.replaceAll(/\{[^}]+\}/g, "[^/]+")}$`).test(path);
}

function initOf({ method = "GET", body, headers = {} }: Ask): RequestInit {
  const all: Record<string, string> = { host: "localhost:8081" };
  if (body !== undefined) all["content-type"] = "application/json";
  for (const [name, value] of Object.entries(headers)) {
    if (value === null) delete all[name];
    else all[name] = value;
  }
  if (body === undefined) return { method, headers: all };
  return { method, headers: all, body: typeof body === "string" ? body : JSON.stringify(body) };
}

async function answerOf(response: Response): Promise<Answer> {
  const text = await response.text();
  const isJson = response.headers.get("content-type")?.startsWith("application/json") === true;
  const body: unknown = text === "" ? null : isJson ? JSON.parse(text) : text;
  return { status: response.status, headers: response.headers, body };
}
