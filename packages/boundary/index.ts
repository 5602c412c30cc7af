/**
 * The attack list: what agents, and those who write to them, try against a sandbox, each tried from inside a real one.
 *
 * An attack is one entry of `src/attacks/`: what it tries, where it was seen, what is expected, and code that runs inside.
 * The world around it is real (`src/world.ts`): a sibling sandbox, servers of the host, egress proxies, and a canary in
 * the runner's environment, descriptors and keyring. Whatever does not end, or breaks, counts as an escape. Where a class
 * of sandboxes cannot stop an attack, it must refuse a claim that asks for that, and this is tried instead.
 */
export type { Attack, Verdict } from "./src/attack.ts";
export { attacks } from "./src/attacks.ts";
export { buildPrograms } from "./src/programs.ts";
export { type BoundaryOptions, type BoundaryReport, type Result, runBoundary } from "./src/run-boundary.ts";
export { type RunnerCommand, runnerCommand } from "./src/runner-command.ts";
