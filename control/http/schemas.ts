/**
 * Zod schemas that many routes share: ids in paths, error bodies, and short ways to write a route's answers.
 *
 * Called by: every file with routes.
 * Calls: zod, through @hono/zod-openapi.
 *
 * @module
 */
import { z } from "@hono/zod-openapi";

/** 32 lowercase hex digits. */
export const Id = z.string().regex(/^[0-9a-f]{32}$/, "must be 32 lowercase hex digits");

/** Milliseconds, or milliseconds since the epoch; -1 when there is none. */
export const Millis = z.number();

/** A count, -1 when it is not known. */
export const Count = z.number().int();

/** Path of a job. */
export const JobParams = z.object({ jobId: Id });

/** Path of a vertex. */
export const VertexParams = z.object({ jobId: Id, vertexId: Id });

/** Body of every error. */
export const ErrorBody = z.object({ errors: z.array(z.string()) }).openapi("ErrorBody");

/** `{[key: string]: T}`. */
export function mapOf<T extends z.ZodType>(value: T): z.ZodRecord<z.ZodString, T> {
  return z.record(z.string(), value);
}

/** What an answer in JSON looks like in a route. */
export interface JsonAnswer<T extends z.ZodType> {
  /** One line for the document. */
  readonly description: string;
  /** Its schema. */
  readonly content: { readonly "application/json": { readonly schema: T } };
}

/** An answer in JSON. */
export function json<T extends z.ZodType>(schema: T, description: string): JsonAnswer<T> {
  return { description, content: { "application/json": { schema } } };
}

/** A body in JSON that may be left out: an empty one counts as `{}`. */
export function jsonBody<T extends z.ZodType>(
  schema: T,
): { readonly required: true; readonly content: { readonly "application/json": { readonly schema: T } } } {
  return { required: true, content: { "application/json": { schema } } };
}

/** The answer when a path names nothing that is there. */
export const notFound: { readonly 404: JsonAnswer<typeof ErrorBody> } = {
  404: json(ErrorBody, "There is no such thing."),
};
