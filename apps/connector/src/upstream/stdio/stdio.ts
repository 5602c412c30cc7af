import { ServiceError } from "@sallyport/contracts";
import type { Upstream, UpstreamCall, UpstreamReply, UpstreamRequest } from "@sallyport/gate";
import { eraOf, routingHeaders } from "@sallyport/mcp";
import type { Scrubber } from "@sallyport/scrub";
import type { StdioServer } from "../../config.ts";
import { envelopeProblem } from "./envelope.ts";
import { Launcher, type StdioDeps } from "./launcher.ts";
import { defaultStdioLimits, type StdioLimits } from "./limits.ts";
import { badRequest, malformed, noSession, notAllowed } from "./refusals.ts";
import { StdioSession } from "./session.ts";
import { SharedProcess } from "./shared-process.ts";

/**
 * A private MCP server that is started here and spoken to over its standard input and output, for the rest of the
 * connector the same as one that speaks Streamable HTTP. A process serves one session, or one agent where the wire has no
 * sessions; it never serves two agents. Its credential is in its environment, and nothing of the connector's own is. When
 * it ends, everything that it started ends with it, and its lease is given back.
 *
 * Resuming a stream (`Last-Event-ID`) is not offered: events have no ids.
 */
export function stdioUpstream(
  name: string,
  config: StdioServer,
  deps: StdioDeps & { limits?: Partial<StdioLimits> },
): Upstream {
  return new StdioUpstream(name, config, deps);
}

class StdioUpstream implements Upstream {
  readonly #name: string;
  readonly #config: StdioServer;
  readonly #sessions = new Map<string, StdioSession>();
  readonly #shared = new Map<string, SharedProcess>();
  readonly #launcher: Launcher;

  constructor(name: string, config: StdioServer, deps: StdioDeps & { limits?: Partial<StdioLimits> }) {
    this.#name = name;
    this.#config = config;
    this.#launcher = new Launcher(name, config, {
      ...deps,
      limits: { ...defaultStdioLimits, ...deps.limits },
    });
  }

  send(request: UpstreamRequest, reply: UpstreamReply): UpstreamCall {
    try {
      if (request.session !== undefined) return this.#inSession(request.session, request, reply);
      if (request.method !== "POST") return answered(() => notAllowed(reply));
      const [first] = request.messages;
      if (first && eraOf(routingHeaders(request.headers), first) !== "sessions")
        return this.#stateless(request, reply);
      if (first?.kind === "request" && first.method === "initialize")
        return this.#begin(request).post(request, reply);
      const id = first?.kind === "request" ? first.id : undefined;
      return answered(() => badRequest(reply, "A session is needed: begin with initialize", id));
    } catch (error) {
      if (!(error instanceof ServiceError)) throw error;
      return answered(() => reply.fail(error, false));
    }
  }

  needsLease(ask: Parameters<Upstream["needsLease"]>[0]): boolean {
    if (this.#config.credential === undefined || ask.session !== undefined) return false;
    const begins = ask.messages?.some((one) => one.kind === "request" && one.method === "initialize") ?? true;
    return begins || !this.#shared.has(ask.principal);
  }

  scrubber(session: string | undefined, principal?: string): Scrubber | undefined {
    if (session !== undefined) return this.#sessions.get(session)?.scrubber;
    return principal === undefined ? undefined : this.#shared.get(principal)?.scrubber;
  }

  problem(): string | undefined {
    return this.#launcher.problem();
  }

  async close(): Promise<void> {
    this.#launcher.shut();
    const why = new ServiceError("unavailable", `${this.#name}: the connector is stopping`);
    for (const one of [...this.#sessions.values(), ...this.#shared.values()]) one.end(why);
    await this.#launcher.close();
  }

  #inSession(id: string, request: UpstreamRequest, reply: UpstreamReply): UpstreamCall {
    const session = this.#sessions.get(id);
    if (session === undefined) {
      const asked = request.messages.find((message) => message.kind === "request");
      return answered(() => noSession(reply, asked?.id));
    }
    switch (request.method) {
      case "POST":
        return session.post(request, reply);
      case "GET":
        return session.listen(reply);
      case "DELETE":
        session.end();
        return answered(() => {
          reply.head(204, []);
          reply.end();
        });
    }
  }

  /** A new session and its process. */
  #begin(request: UpstreamRequest): StdioSession {
    const session: StdioSession = new StdioSession(
      this.#launcher.prepare(request, { leave: () => this.#sessions.delete(session.id) }),
    );
    this.#sessions.set(session.id, session);
    return session;
  }

  #stateless(request: UpstreamRequest, reply: UpstreamReply): UpstreamCall {
    const { principal, lease, messages } = request;
    const [message] = messages;
    const problem = message && envelopeProblem(message);
    if (problem !== undefined) {
      const id = message?.kind === "request" ? message.id : undefined;
      return answered(() => malformed(reply, problem, id));
    }
    const running = this.#shared.get(principal);
    // A reply is scrubbed of the secrets of the request's own lease: its process must be one that knows no others.
    const fits = running !== undefined && (lease === undefined || lease.id === running.leaseId);
    const shared = fits ? running : this.#share(request);
    // After the new one holds the session's leases: they are given back when the last process has let go.
    if (!fits) running?.end(new ServiceError("unavailable", `${this.#name}: its credential was replaced`));
    return shared.post(request, reply);
  }

  /** A new process for this agent. */
  #share(request: UpstreamRequest): SharedProcess {
    const { principal, lease } = request;
    const leave = () => {
      if (this.#shared.get(principal) === shared) this.#shared.delete(principal);
    };
    const shared: SharedProcess = new SharedProcess({
      ...this.#launcher.prepare(request, { leave }),
      leaseId: lease?.id,
    });
    this.#shared.set(principal, shared);
    return shared;
  }
}

function answered(say: () => void): UpstreamCall {
  say();
  return { cancel: () => undefined, resume: () => undefined };
}
