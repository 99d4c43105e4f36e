/**
 * Makes the OpenAPI document from the routes, with the answers that every request can get.
 *
 * Called by: control/http/api.ts.
 * Calls: @hono/zod-openapi.
 *
 * @module
 */
import type { OpenAPIHono } from "@hono/zod-openapi";
import { WEIR_VERSION } from "./api_version.ts";
import type { ApiEnv } from "./context.ts";
import { ErrorBody } from "./schemas.ts";

/** Answers of the guard, by status. */
const GUARD_ANSWERS: Readonly<Record<number, string>> = {
  400: "The request is malformed: an id, a query parameter, the body, or the Host header.",
  401: "The token is missing or wrong.",
  403: "The Host or the Origin is foreign, or the request is not allowed here.",
  404: "There is no such thing.",
  405: "The path has no such method.",
  413: "The body is too large.",
  414: "The path with its query is too long.",
  415: "The body is not JSON.",
  431: "The headers are too large.",
  500: "A fault of the API.",
  503: "Too many operations are kept, or the API is about to end.",
};

const METHODS = ["get", "post", "put", "patch", "delete"] as const;

/** What one operation of the document holds of interest here. */
interface Operation {
  responses: Record<string, unknown>;
}

/** The document, and what it is asked by the API itself. */
export interface OpenApiDocument {
  /** `3.1.0`. */
  readonly openapi: string;
  /** By template, then by method. */
  readonly paths: Readonly<Record<string, Partial<Record<(typeof METHODS)[number], Operation>>>>;
  /** Methods of the routes that a path fits, in capitals. Not part of the JSON. */
  methodsOf(path: string): readonly string[];
}

/** The document of all routes that were added so far. */
export function describeApi(app: OpenAPIHono<ApiEnv>): OpenApiDocument {
  app.openAPIRegistry.register("ErrorBody", ErrorBody);
  app.openAPIRegistry.registerComponent("securitySchemes", "token", { type: "http", scheme: "bearer" });
  const generated = app.getOpenAPI31Document({
    openapi: "3.1.0",
    info: {
      title: "Weir",
      version: WEIR_VERSION,
      description: "Paths, fields and statuses follow version 1 of Flink's REST API. Every path also works below /v1.",
    },
    security: [{}, { token: [] }],
  });
  // Made of the routes above, each of which has answers.
  const paths = (generated.paths ?? {}) as OpenApiDocument["paths"];
  for (const path of Object.values(paths)) {
    for (const method of METHODS) addGuardAnswers(path[method]);
  }
  const templates = Object.entries(paths).map(([template, operations]) => ({
    pattern: new RegExp(`^${template.replaceAll(/\{[^}]+\}/g, "[^/]+")}$`),
    methods: METHODS.filter((method) => operations[method] !== undefined).map((method) => method.toUpperCase()),
  }));
  const document = { ...generated, openapi: "3.1.0", paths };
  return Object.defineProperty(document, "methodsOf", {
    value: (path: string) => templates.filter(({ pattern }) => pattern.test(path)).flatMap(({ methods }) => methods),
    // The property is defined by this very call.
  }) as typeof document & Pick<OpenApiDocument, "methodsOf">;
}

function addGuardAnswers(operation: Operation | undefined): void {
  if (operation === undefined) return;
  const content = { "application/json": { schema: { $ref: "#/components/schemas/ErrorBody" } } };
  for (const [status, description] of Object.entries(GUARD_ANSWERS)) {
    operation.responses[status] ??= { description, content };
  }
}
