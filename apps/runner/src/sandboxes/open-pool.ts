import { readFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { digest } from "@sallyport/audit";
import type { Bus } from "@sallyport/bus";
import type { Server } from "@sallyport/gate";
import { type BubblewrapDriver, IsolationError } from "@sallyport/isolation";
import { type App, BootError } from "@sallyport/runtime";
import { takeWork } from "@sallyport/work";
import type { Pool } from "../config.ts";
import { openToolServer } from "../mcp/tool-server.ts";
import { toolServerUpstream } from "../upstream/tool-server-upstream.ts";
import { writeAuthorities } from "./authorities.ts";
import { type DoorDeps, type DoorOwner, openDoor } from "./door.ts";
import { type LiveSandbox, startSandbox } from "./live-sandbox.ts";
import { capabilitiesOf, specOf, unlimitedIn } from "./pool-spec.ts";
import { SandboxPool } from "./sandboxes.ts";
import type { Session } from "./session.ts";
import { shellEnvironment } from "./shell-environment.ts";

export interface PoolParts extends Pick<DoorDeps, "tenant" | "policies" | "audit" | "placed"> {
  name: string;
  pool: Pool;
  bus: Bus;
  driver: BubblewrapDriver;
  /** Path of the agent's program. */
  agent: string;
  /** The runner's own folder, which other users can pass through. */
  state: string;
  leases: { end(session: string): Promise<void> };
}

export interface OpenPool {
  /** As a server of the gate's. */
  server: Server;
  /** For sessions that come by another road than the queue. */
  start: StartFor;
}

/** Makes a sandbox of the pool for its owner, with a door of its own; for nobody, one that only shows that it can be made. */
export type StartFor = (owner: DoorOwner | undefined) => Promise<LiveSandbox>;

/** A pool that takes work. One whose sandbox this host cannot make stops the boot. */
export async function openPool(app: App, parts: PoolParts): Promise<OpenPool> {
  const { name, pool, bus, placed } = parts;
  const start = await starter(parts);
  await tryOne(name, () => start(undefined));
  const unlimited = unlimitedIn(pool);
  if (unlimited.length > 0)
    app.log.warn({ pool: name, unlimited }, "a sandbox of this pool can take these from all others");

  const sandboxes = new SandboxPool({
    runner: bus.who.instance,
    pool: name,
    slotsPerAgent: pool.slotsPerAgent,
    times: { idleMs: pool.idle, wallMs: pool.wall },
    start: (session) => start(ownerOf(session)),
    ended: ({ handle, owner }) => {
      tools.ended(handle);
      if (owner !== undefined) placed.forget({ ...owner, handle });
      parts.leases.end(digest(handle)).catch((err: unknown) => {
        app.log.warn({ err }, "a sandbox's leases could not be given back; the broker reclaims them");
      });
    },
    log: app.log,
  });
  const tools = openToolServer({ sandboxes, version: app.version, log: app.log });
  app.use({ close: () => tools.close() }, `tools of ${name}`);
  const work = takeWork({
    bus,
    pool: name,
    capabilities: capabilitiesOf(pool),
    slots: pool.slots,
    run: (item, signal) => sandboxes.run(item, signal),
  });
  const close = async () => {
    sandboxes.endAll("the runner stops");
    await work.close();
  };
  app.use({ close }, `work of ${name}`);
  const upstream = toolServerUpstream({
    pool: name,
    handle: (exchange, caller) => tools.handle(exchange, caller),
    scrubber: (principal) => placed.scrubber(principal),
    unused: (item) => sandboxes.unused(item),
    problem: () => undefined,
  });
  return { server: { name, upstream, callAction: "sandbox/exec", credential: undefined }, start };
}

function ownerOf(session: Session): DoorOwner | undefined {
  const { handle, owner } = session;
  return owner && { handle, principal: owner.principal, context: () => session.context };
}

async function starter(parts: PoolParts): Promise<StartFor> {
  const { name, pool, driver } = parts;
  const make = {
    driver,
    spec: specOf(pool, parts.agent),
    env: { ...shellEnvironment, ...pool.environment },
  };
  const { egress } = pool;
  if (egress === undefined) return () => startSandbox(make);
  const [folder, trusted] = [join(parts.state, "doors"), join(parts.state, "authorities")];
  for (const one of [folder, trusted]) await mkdir(one, { recursive: true, mode: 0o711 });
  const { tenant, policies, audit, placed } = parts;
  const upstreamCa = egress.caFile === undefined ? undefined : readFileSync(egress.caFile, "utf8");
  const authorities = await writeAuthorities(trusted, name, upstreamCa);
  const deps: DoorDeps = { folder, pool: name, tenant, egress, authorities, policies, audit, placed };
  return async (owner) =>
    startSandbox(owner === undefined ? make : { ...make, door: await openDoor(deps, owner) });
}

/** What this host does not give is known before any work is claimed. */
async function tryOne(name: string, start: () => Promise<LiveSandbox>): Promise<void> {
  try {
    const sandbox = await start();
    await sandbox.destroy();
  } catch (error) {
    const field = error instanceof IsolationError ? error.field : undefined;
    const setting = `pools.${name}${field === undefined ? "" : ` (${field})`}`;
    throw new BootError(`no sandbox of this pool can be made here: ${String(error)}`, {
      setting,
      cause: error,
    });
  }
}
