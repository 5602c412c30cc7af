/**
 * Work for runners: one item is one session, in the shape of Anthropic's work API.
 *
 * Two things are kept apart. The queue (`workQueue`) says which item may wait, and says it again while its runner is
 * silent; it is a hint. The item's state (`workItems`) says who may run it, and every change of it is a decision
 * (`src/decide/`, pure) stored by compare-and-swap. Only an edge writes states; a runner asks an edge, under a lease that
 * it must renew, and a lost lease is never finished by its loser.
 */
export { accepts, type Lack, lacks } from "./src/decide/accepts.ts";
export { claim } from "./src/decide/claim.ts";
export { type At, type Decision, type Holder, type Timing, timing } from "./src/decide/decision.ts";
export { ack, finish, heartbeat } from "./src/decide/hold.ts";
export { reclaim } from "./src/decide/reclaim.ts";
export { holderOf, requestStop } from "./src/decide/stop.ts";
export { type EnqueueDeps, enqueueWork, type Started, stopWork, type WorkOrder } from "./src/enqueue-work.ts";
export { type ServeWorkDeps, serveWork } from "./src/serve-work.ts";
export { openStore, type WorkStore } from "./src/store.ts";
export { type TakeDeps, takeWork } from "./src/take-work.ts";
