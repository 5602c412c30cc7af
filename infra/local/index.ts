/**
 * The whole of Sallyport on one machine, as `pnpm dev` and the end-to-end tests run it: real servers, and every zone as
 * a process of its own with its own NATS user, keys and configuration file.
 */
export { type DemoParts, demoPlan } from "./src/demo-plan.ts";
export { Material } from "./src/material.ts";
export { sandboxHost } from "./src/sandbox-host.ts";
export { demoClient, type Stack, startStack } from "./src/stack.ts";
export type { StackPlan } from "./src/stack-plan.ts";
export { zoneConfigs } from "./src/zone-configs.ts";
export { startZone, type ZoneProcess } from "./src/zone-process.ts";
