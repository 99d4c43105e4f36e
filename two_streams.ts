/**
 * Two streams at once: what `connect(…)` and `intervalJoin(…)` take and return; `mod.ts` has the rest.
 *
 * Called by: users.
 * Calls: nothing; it names what is public.
 *
 * @module
 */
export { ConnectedStreams } from "./runtime/two_inputs/connected_streams.ts";
export { ConnectedKeyedStreams } from "./runtime/two_inputs/connected_streams.ts";
export { BroadcastConnectedStream } from "./runtime/two_inputs/connected_streams.ts";
export { BroadcastConnectedKeyedStream } from "./runtime/two_inputs/connected_streams.ts";
export { BoundedIntervalJoin } from "./runtime/two_inputs/interval_join.ts";
export { IntervalJoin } from "./runtime/two_inputs/interval_join.ts";
export { type IntervalJoinOptions } from "./runtime/two_inputs/interval_join.ts";
export { type IntervalJoinContext } from "./runtime/two_inputs/interval_join_operator.ts";
export { type IntervalJoinFunction } from "./runtime/two_inputs/interval_join_operator.ts";
export { type TwoInputProcessFunction } from "./runtime/two_inputs/two_input_functions.ts";
export { type KeyedTwoInputProcessFunction } from "./runtime/two_inputs/two_input_functions.ts";
export { type BroadcastDeclarations } from "./runtime/two_inputs/two_input_functions.ts";
export { type BroadcastProcessFunction } from "./runtime/two_inputs/two_input_functions.ts";
export { type BroadcastStateOf } from "./runtime/two_inputs/two_input_functions.ts";
export { type KeyedBroadcastContext } from "./runtime/two_inputs/two_input_functions.ts";
export { type KeyedBroadcastProcessFunction } from "./runtime/two_inputs/two_input_functions.ts";
export { type ReadOnlyBroadcastState } from "./runtime/two_inputs/two_input_functions.ts";
export { type ReadOnlyBroadcastStateOf } from "./runtime/two_inputs/two_input_functions.ts";
export { type ReadsBroadcast } from "./runtime/two_inputs/two_input_functions.ts";
export { type WritesBroadcast } from "./runtime/two_inputs/two_input_functions.ts";
