import { createHash, type KeyObject } from "node:crypto";
import { asServiceError, type EdgeControl, ServiceError } from "@sallyport/contracts";
import {
  GrantError,
  type GrantFacts,
  sameAsToken,
  TokenError,
  type TokenFacts,
  verifyGrant,
} from "@sallyport/grant";

export interface GrantChecks {
  connector: string;
  tenant: string;
  /** Newest first; none for an edge that is not known. */
  edgeKeys(edge: string): readonly KeyObject[];
  /** With issuer keys that this connector got by itself, never from an edge. */
  verifyToken(token: string, server: string): Promise<TokenFacts>;
  isRevoked(grant: GrantFacts): string | undefined;
  now(): Date;
}

/** A grant that opened: what it says is proven by the edge's and the issuer's signatures both. */
export interface LiveGrant {
  /** The latest of its renewals. */
  facts: GrantFacts;
  /** As signed, for the broker. */
  jwt: string;
  /** A digest of issuer, agent and user: who it is, for everything that is kept apart per principal. */
  principal: string;
}

interface Held {
  opening: Promise<LiveGrant>;
  live: LiveGrant | undefined;
  /** What runs on it, to be ended with it. */
  streams: Set<(error: ServiceError) => void>;
}

const maxGrants = 10_000;
const maxRemembered = 256;

/** The grants of one seal session, by handle. */
export class LinkGrants {
  readonly #session: string;
  readonly #edge: string;
  readonly #checks: GrantChecks;
  readonly #held = new Map<number, Held>();
  /** Why the last few ended. */
  readonly #ended = new Map<number, ServiceError>();

  constructor(peer: { session: string; edge: string }, checks: GrantChecks) {
    this.#session = peer.session;
    this.#edge = peer.edge;
    this.#checks = checks;
  }

  /** Opens or renews a grant. Throws what the edge is told. */
  async open(message: Extract<EdgeControl, { type: "grant" }>): Promise<LiveGrant> {
    const held = this.#held.get(message.handle);
    if (held === undefined && this.#held.size >= maxGrants) {
      throw new ServiceError("exhausted", "too many grants are open on this tunnel");
    }
    const opening = this.#verify(message, held).catch((error: unknown) => {
      throw asRefusal(error);
    });
    if (held === undefined) {
      // Calls that come right behind their grant wait for it here.
      opening.catch(() => undefined);
      this.#held.set(message.handle, { opening, live: undefined, streams: new Set() });
    }
    try {
      const live = await opening;
      const current = this.#held.get(message.handle);
      if (current) current.live = live;
      return live;
    } catch (error) {
      this.drop(message.handle, asServiceError(error));
      throw error;
    }
  }

  /** The grant that a call names, live and for that server. Throws `unauthenticated` or `denied`. */
  async use(handle: number, server: string): Promise<LiveGrant> {
    const held = this.#held.get(handle);
    if (held === undefined)
      throw new ServiceError("unauthenticated", "no live grant stands behind this call");
    const live = held.live ?? (await held.opening);
    if (live.facts.server !== server) throw new ServiceError("denied", "the grant is for another server");
    const ended = this.#endOf(live);
    if (ended !== undefined) {
      this.drop(handle, ended);
      throw ended;
    }
    return live;
  }

  /**
   * Runs `end` when the grant ends before the stream does. Returns how to say that the stream has ended; undefined when
   * the grant has gone since `use`, and nothing may run on it.
   */
  attach(handle: number, end: (error: ServiceError) => void): (() => void) | undefined {
    const streams = this.#held.get(handle)?.streams;
    streams?.add(end);
    return streams && (() => streams.delete(end));
  }

  /** Why a grant that was live is not any more: one that could not be recorded may be tried again, a revoked one not. */
  endOf(handle: number): ServiceError {
    return this.#ended.get(handle) ?? new ServiceError("unauthenticated", "the grant has ended");
  }

  drop(handle: number, reason: ServiceError): void {
    const held = this.#held.get(handle);
    if (held === undefined) return;
    this.#held.delete(handle);
    this.#ended.set(handle, reason);
    const [oldest] = this.#ended.keys();
    if (oldest !== undefined && this.#ended.size > maxRemembered) this.#ended.delete(oldest);
    for (const end of [...held.streams]) end(reason);
  }

  /** Ends what has expired or was revoked. Called every second and at each revocation. */
  sweep(): void {
    for (const [handle, { live }] of [...this.#held]) {
      const ended = live && this.#endOf(live);
      if (ended !== undefined) this.drop(handle, ended);
    }
  }

  #endOf(live: LiveGrant): ServiceError | undefined {
    if (live.facts.expiresAt <= this.#checks.now()) {
      return new ServiceError("unauthenticated", "the grant has ended");
    }
    const revoked = this.#checks.isRevoked(live.facts);
    return revoked === undefined
      ? undefined
      : new ServiceError("unauthenticated", "the grant was revoked", { detail: revoked });
  }

  async #verify(message: { grant: string; token: string }, before: Held | undefined): Promise<LiveGrant> {
    const { connector, tenant, edgeKeys, now } = this.#checks;
    const facts = await verifyGrant(message.grant, {
      edgeKey: (edge) => (edge === this.#edge ? edgeKeys(edge) : undefined),
      tenant,
      connector,
      session: this.#session,
      now: now(),
    });
    // The edge is the most exposed zone: it is not believed about who the agent is. The issuer is.
    const token = await this.#checks.verifyToken(message.token, facts.server);
    if (!sameAsToken(facts, token)) {
      throw new ServiceError("denied", "the grant does not say what the agent's token says");
    }
    const live = { facts, jwt: message.grant, principal: principalOf(facts) };
    const ended = this.#endOf(live);
    if (ended !== undefined) throw ended;
    const earlier = before && (before.live ?? (await before.opening));
    if (earlier && (earlier.principal !== live.principal || earlier.facts.server !== facts.server)) {
      throw new ServiceError("denied", "a renewal may not change whom a grant is for");
    }
    return live;
  }
}

function principalOf(facts: GrantFacts): string {
  return createHash("sha256")
    .update(JSON.stringify([facts.tokenIssuer, facts.agent, facts.user ?? null]))
    .digest("base64url");
}

/** What does not verify is an expected outcome: that it did not is public, why stays in the log. */
function asRefusal(thrown: unknown): ServiceError {
  if (thrown instanceof TokenError && thrown.code === "keys-unavailable") {
    return new ServiceError("unavailable", "the issuer's keys cannot be read now; try again", {
      cause: thrown,
    });
  }
  if (!(thrown instanceof GrantError || thrown instanceof TokenError)) return asServiceError(thrown);
  const detail = `${thrown.name} ${thrown.code}`;
  return new ServiceError("unauthenticated", "the grant or the token behind it was not accepted", {
    cause: thrown,
    detail,
  });
}
