/**
 * Tests of actors and pipelines: one actor at work without a job, or a whole pipeline, in virtual time.
 *
 * @example
 * ```ts
 * import { KeyedActor } from "./mod.ts";
 * import { actorHarness } from "./testing.ts";
 *
 * class Echo extends KeyedActor<string, string, string> {
 *   override onMessage(text: string): void {
 *     this.emit(`${this.key}: ${text}`);
 *   }
 * }
 *
 * await using echo = await actorHarness(() => new Echo());
 * echo.send("wall", "hello");
 * if (echo.takeValues().join() !== "wall: hello") throw new Error("no echo");
 * ```
 *
 * Called by: users' tests.
 * Calls: nothing; it names what is public.
 *
 * @module
 */

// One actor
export { ActorHarness } from "./runtime/testing/actor_harness.ts";
export { actorHarness } from "./runtime/testing/actor_harness.ts";
export { type Emitted } from "./runtime/testing/actor_harness.ts";
export { type HarnessBackend } from "./runtime/testing/harness_backends.ts";
export { type HarnessOptions } from "./runtime/testing/harness_context.ts";
export { type HarnessSnapshot } from "./runtime/testing/harness_context.ts";
export { type ToldMessage } from "./runtime/testing/told_messages.ts";

// A whole pipeline
export { type PipelineFailure } from "./control/testing/planned_failures.ts";
export { type PipelineRun } from "./control/testing/run_pipeline.ts";
export { type PipelineRunOptions } from "./control/testing/run_pipeline.ts";
export { runPipeline } from "./control/testing/run_pipeline.ts";
