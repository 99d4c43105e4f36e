/** Takes the lock of the folder named by its argument, says so, and holds it until it is killed. */
import process from "node:process";
import { setInterval } from "node:timers";
import { systemJobLock } from "../../runtime/system_job_lock.ts";

const held = await systemJobLock.acquire(process.argv[2] ?? "");
process.stdout.write("held\n");
// Keeps the lock referenced and the process alive.
setInterval(() => held, 1_000);
