/** The clock that a test owns, which users' tests have too. */
export { ManualClock } from "../../runtime/testing/manual_clock.ts";
