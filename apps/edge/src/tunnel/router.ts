import { ServiceError, type WorkItem } from "@sallyport/contracts";
import { type Message, subjectOf } from "@sallyport/mcp";
import { type EnqueueDeps, enqueueWork, stopWork } from "@sallyport/work";
import type { OpenTunnel } from "./tunnel.ts";
import type { Tunnels } from "./tunnels.ts";

/** What of a call says where it goes. */
export interface Routed {
  server: string;
  /** The session's name, where the call has one. */
  session: string | undefined;
  messages: readonly Message[];
  /** It begins nothing: an agent's answer, or the end of a session. */
  begins: boolean;
  traceparent: string | undefined;
}

export interface Route {
  tunnel: OpenTunnel;
  /** The item that a runner claimed for the session which this call begins. */
  work?: string;
}

export interface RouterDeps {
  connectors: Pick<Tunnels, "choose">;
  runners: Pick<Tunnels, "choose">;
  /** Whether a server is a pool of sandboxes. */
  isPool(server: string): boolean;
  /** Whether a pool's calls are run by workers outside: its runners only gate them, and no item waits for one. */
  isEnvironment(server: string): boolean;
  work: EnqueueDeps;
  tenant: string;
  requirements(pool: string): WorkItem["requirements"];
  /** Milliseconds that a session may wait for a runner. */
  placeWithin: number;
}

/**
 * The far end of each call. A private server is behind a connector: the one that holds the session, else the least busy.
 * A sandbox is on the runner that claimed its session's work item; it is named in front of the session's name, or of the
 * handle that an agent gives as `sandbox` on the wire without sessions.
 */
export function router(deps: RouterDeps): (call: Routed) => Route | Promise<Route> {
  return (call) => {
    const { server, begins } = call;
    if (!deps.isPool(server)) {
      const connector = holderOf(call.session);
      return {
        tunnel: deps.connectors.choose(server, connector === undefined ? undefined : { connector, begins }),
      };
    }
    const runner = holderOf(call.session ?? handleOf(call.messages));
    if (runner !== undefined) return { tunnel: deps.runners.choose(server, { connector: runner, begins }) };
    if (deps.isEnvironment(server) || !beginsSandbox(call.messages))
      return { tunnel: deps.runners.choose(server) };
    return place(deps, call);
  };
}

async function place(deps: RouterDeps, { server, traceparent }: Routed): Promise<Route> {
  // Said at once where nobody offers the pool: a queue without takers would only make the agent wait.
  deps.runners.choose(server);
  const order = {
    tenant: deps.tenant,
    pool: server,
    data: { type: "session" as const, id: crypto.randomUUID() },
    requirements: deps.requirements(server),
    metadata: traceparent === undefined ? {} : { traceparent },
  };
  const { item, runner } = await enqueueWork(deps.work, order, { withinMs: deps.placeWithin });
  try {
    return { tunnel: deps.runners.choose(server, { connector: runner, begins: true }), work: item.id };
  } catch (error) {
    await stopWork(deps.work, item.id);
    throw error;
  }
}

/** Its holder's name stands in front of a session's name: any edge finds it, and only that holder can open the rest. */
function holderOf(name: string | undefined): string | undefined {
  if (name === undefined) return undefined;
  const holder = /^([A-Za-z0-9_-]{1,64})\./.exec(name)?.[1];
  if (holder === undefined) throw new ServiceError("not_found", "there is no such session; start a new one");
  return holder;
}

function handleOf(messages: readonly Message[]): string | undefined {
  for (const message of messages) {
    const subject = subjectOf(message);
    const handle = subject?.action === "tools/call" ? subject.arguments?.sandbox : undefined;
    if (typeof handle === "string") return handle;
  }
  return undefined;
}

/** The handshake of the wire with sessions, or a tool's call on the one without. */
function beginsSandbox(messages: readonly Message[]): boolean {
  return messages.some((message) => ["initialize", "tools/call"].includes(subjectOf(message)?.action ?? ""));
}
