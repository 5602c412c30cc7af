import { ServiceError } from "@sallyport/contracts";
import { asEgressError, placeInEnvironment } from "@sallyport/egress";
import type { Lease, Leases, UpstreamRequest } from "@sallyport/gate";
import type { StdioServer } from "../../config.ts";
import { Backoff } from "./backoff.ts";
import { type Child, type ChildEvents, startChild } from "./child.ts";
import { defaultPath, findCommand } from "./find-command.ts";
import type { StdioLimits } from "./limits.ts";

export interface StdioDeps {
  leases: Pick<Leases, "pin" | "end">;
  log: { warn(fields: object, message: string): void; debug(fields: object, message: string): void };
}

/** In `Backoff`: the whole server's failures to start. */
const everybody = "";

/**
 * Starts a server's processes: within the bound on their number, not while it is backing off, with the credential in
 * their environment and nothing of the connector's own, and with the lease held for as long as they need it.
 */
export class Launcher {
  readonly #name: string;
  readonly #config: StdioServer;
  readonly #deps: StdioDeps;
  readonly #limits: StdioLimits;
  /** Every process that is not wholly gone, also one that is being stopped. */
  readonly #children = new Set<Child>();
  /** How many processes run on a session's leases. */
  readonly #leased = new Map<string, number>();
  readonly #backoff: Backoff;
  #missing: boolean;
  #closed = false;

  constructor(name: string, config: StdioServer, deps: StdioDeps & { limits: StdioLimits }) {
    this.#name = name;
    this.#config = config;
    this.#deps = deps;
    this.#limits = deps.limits;
    const { firstBackoffMs: firstMs, mostBackoffMs: mostMs } = this.#limits;
    this.#backoff = new Backoff({ firstMs, mostMs }, Date.now);
    this.#missing = this.#isMissing();
  }

  problem(): string | undefined {
    const { command } = this.#config;
    if (this.#missing) this.#missing = this.#isMissing();
    if (this.#missing) return `${this.#name}: the command ${command} is not found, or may not be run`;
    const waiting = this.#backoff.waiting(everybody);
    return waiting && waitingText(waiting);
  }

  /** Nothing is started any more; resolves when the last process is gone. */
  async close(): Promise<void> {
    for (const child of this.#children) child.stop(); // also those that have retired
    await Promise.all([...this.#children].map(({ ended }) => ended));
  }

  shut(): void {
    this.#closed = true;
  }

  /** All that a new process needs, or the reason why there is none now. */
  prepare(request: UpstreamRequest, { leave }: { leave(): void }) {
    const { lease, leaseSession, principal } = request;
    this.#mayStart(principal);
    const env = this.#environment(lease);
    const startedAt = Date.now();
    let answered = false;
    let settled: NodeJS.Timeout | undefined;
    return {
      server: this.#name,
      limits: this.#limits,
      scrubber: lease?.scrubber,
      leaseExpiresAt: lease?.expiresAt,
      start: (events: ChildEvents) => {
        if (lease) this.#pin(leaseSession);
        settled = setTimeout(() => {
          this.#backoff.succeeded(everybody);
          this.#backoff.succeeded(principal);
        }, this.#limits.settledMs);
        return this.#start(env, lease, events);
      },
      started: () => {
        answered = true;
      },
      retired: leave,
      over: (failure: ServiceError | undefined) => {
        leave();
        clearTimeout(settled);
        if (lease) this.#unpin(leaseSession);
        if (failure === undefined) return;
        this.#deps.log.warn(
          { server: this.#name, err: failure, livedMs: Date.now() - startedAt },
          "a server's process failed",
        );
        this.#backoff.failed(answered ? principal : everybody, failure.message);
      },
    };
  }

  #mayStart(principal: string): void {
    if (this.#closed) throw new ServiceError("unavailable", `${this.#name}: the connector is stopping`);
    const waiting = this.#backoff.waiting(everybody) ?? this.#backoff.waiting(principal);
    if (waiting) throw new ServiceError("unavailable", waitingText(waiting));
    if (this.#children.size >= this.#config.maxSessions) {
      throw new ServiceError(
        "exhausted",
        `${this.#name} has ${this.#config.maxSessions} sessions (maxSessions): try again later`,
      );
    }
  }

  #environment(lease: Lease | undefined): Record<string, string> {
    const { env, credential } = this.#config;
    const bare = { PATH: defaultPath, ...env };
    if (credential === undefined) return bare;
    if (lease === undefined)
      throw new ServiceError("unavailable", `${this.#name} needs a credential to be started`);
    if (credential.place.in !== "env")
      throw new ServiceError("internal", `${this.#name}: its credential goes into its environment`);
    try {
      return { ...bare, ...placeInEnvironment(credential.place, lease.material) };
    } catch (error) {
      const { reason } = asEgressError(error);
      throw new ServiceError("unavailable", `${this.#name}: the credential does not fit its placement`, {
        detail: reason,
      });
    }
  }

  #start(env: Record<string, string>, lease: Lease | undefined, events: ChildEvents): Child {
    const { command, args, cwd } = this.#config;
    const child = startChild(
      {
        server: this.#name,
        command,
        args,
        cwd,
        env,
        scrubber: lease?.scrubber,
        limits: this.#limits,
        log: this.#deps.log,
      },
      events,
    );
    this.#children.add(child);
    void child.ended.then(() => this.#children.delete(child));
    return child;
  }

  #pin(session: string): void {
    this.#leased.set(session, (this.#leased.get(session) ?? 0) + 1);
    this.#deps.leases.pin(session);
  }

  /** The last process on these leases: they are revoked now. */
  #unpin(session: string): void {
    const left = (this.#leased.get(session) ?? 1) - 1;
    if (left > 0) {
      this.#leased.set(session, left);
      return;
    }
    this.#leased.delete(session);
    this.#deps.leases.end(session).catch((err: unknown) => {
      this.#deps.log.warn(
        { server: this.#name, err },
        "a process's lease could not be given back; the broker reclaims it",
      );
    });
  }

  #isMissing(): boolean {
    const { command, env, cwd } = this.#config;
    return findCommand(command, { path: env.PATH ?? defaultPath, cwd }) === undefined;
  }
}

function waitingText({ why, leftMs }: { why: string; leftMs: number }): string {
  return `${why}; it is not started again for ${Math.ceil(leftMs / 1_000)} s`;
}
