import { decodeRoadMessage, ServiceError } from "@sallyport/contracts";
import type { TokenFacts } from "@sallyport/grant";
import type { Enrolment, Enrolments } from "@sallyport/seal";
import { leastBusy } from "./least-busy.ts";
import { type OpenTunnel, Tunnel, type TunnelDeps } from "./tunnel.ts";

/** How long a connector that was not heard of counts as offering its servers. */
const presenceMs = 3_000;

interface Known {
  tunnel: Tunnel;
  heardAt: number;
  ready: ReadonlySet<string>;
}

/** Every connector that this edge may call, and the choice among them. */
export class Tunnels {
  readonly #enrolments: Pick<Enrolments, "get" | "knows">;
  readonly #deps: TunnelDeps;
  readonly #zone: Enrolment["zone"];
  readonly #known = new Map<string, Known>();
  #turn = 0;

  constructor(
    enrolments: Pick<Enrolments, "get" | "knows">,
    { zone = "connector", ...deps }: TunnelDeps & { zone?: Enrolment["zone"] },
  ) {
    this.#enrolments = enrolments;
    this.#deps = deps;
    this.#zone = zone;
  }

  /** A connector's presence. Only enrolled ones matter, and only for the servers they are enrolled for. */
  heard(
    connector: string,
    presence: { boot: string; servers?: readonly { name: string; ready: boolean }[] | undefined },
  ): void {
    const enrolment = this.#enrolments.get(connector);
    if (enrolment === undefined) return;
    let known = this.#known.get(connector);
    if (known?.tunnel.enrolment.publicKey !== enrolment.publicKey) {
      known?.tunnel.end(`the ${this.#zone} was enrolled anew; try again`);
      known = { tunnel: new Tunnel(enrolment, this.#deps), heardAt: 0, ready: new Set() };
      this.#known.set(connector, known);
    }
    const offered = (presence.servers ?? []).filter((server) => server.ready).map((server) => server.name);
    known.ready = new Set(offered.filter((name) => enrolment.servers.includes(name)));
    known.heardAt = performance.now();
    known.tunnel.heard(presence.boot);
  }

  /** A message of the road. `connector` is whom NATS let publish on that subject. */
  message(connector: string, bytes: Uint8Array): void {
    const tunnel = this.#known.get(connector)?.tunnel;
    const message = decodeRoadMessage(bytes);
    if (tunnel === undefined || message === undefined) return;
    switch (message.kind) {
      case "record":
        tunnel.record(message.session, message.bytes);
        return;
      case "welcome":
        void tunnel.welcome(message.bytes);
        return;
      case "reset":
        tunnel.reset(message.session);
        return;
      case "hello":
        return;
    }
  }

  /**
   * The tunnel for a call: the connector that holds the session, else the least busy one that offers the server. What
   * `begins` nothing (an agent's answer, the end of a session) reaches a holder that drains, too.
   * Throws `not_found` for a session that cannot come back, `unavailable` when the same call may work later.
   */
  choose(server: string, session?: { connector: string; begins: boolean }): OpenTunnel {
    if (!this.#enrolments.knows(server))
      throw new ServiceError("not_found", `no ${this.#zone} is enrolled for a server ${server}`);
    const open = this.#offering(server);
    if (session !== undefined) {
      const { connector } = session;
      const holder =
        open.find((one) => one.connector === connector) ??
        // It offers nothing any more, and may still wait for an answer of the agent's.
        (session.begins ? undefined : this.#known.get(connector)?.tunnel.open);
      if (holder !== undefined) return holder;
      if (open.length > 0 || this.#enrolments.get(connector) === undefined) {
        // Others serve: the agent should start a new session there, which is what 404 tells it (MCP, session management).
        throw new ServiceError("not_found", "this session is gone; start a new one");
      }
    }
    this.#turn += 1;
    const best = leastBusy(open, this.#turn);
    if (best === undefined)
      throw new ServiceError("unavailable", `no ${this.#zone} offers ${server} now; try again`);
    return best;
  }

  /** Ends the streams of every grant that matches. */
  drop(matches: (grant: { facts: TokenFacts; server: string; id: string }) => boolean): void {
    for (const { tunnel } of this.#known.values()) tunnel.open?.grants.drop(matches);
  }

  /** Renews grants, and lets go of connectors that are enrolled no more. Called every few seconds. */
  sweep(): void {
    for (const [connector, { tunnel }] of [...this.#known]) {
      if (this.#enrolments.get(connector) === undefined) {
        tunnel.end(`the ${this.#zone} is not enrolled any more`);
        this.#known.delete(connector);
      } else tunnel.open?.grants.sweep();
    }
  }

  /** This edge has another key: sessions that the one before opened end, and their peers are greeted with it. */
  openAnew(): void {
    for (const { tunnel } of this.#known.values()) tunnel.openAnew();
  }

  /** Names of connectors with an open session. */
  connected(): string[] {
    return [...this.#known].filter(([, one]) => one.tunnel.open !== undefined).map(([name]) => name);
  }

  close(): void {
    for (const { tunnel } of this.#known.values()) tunnel.close();
  }

  #offering(server: string): OpenTunnel[] {
    const since = performance.now() - presenceMs;
    return [...this.#known.values()]
      .filter((one) => one.heardAt >= since && one.ready.has(server))
      .flatMap((one) => one.tunnel.open ?? []);
  }
}
