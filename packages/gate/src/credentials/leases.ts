import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { ServiceError } from "@sallyport/contracts";
import type { Scrubber } from "@sallyport/scrub";
import type { LiveGrant } from "../grants.ts";

/** A credential in use: in clear only here and in the request that carries it. */
export interface Lease {
  readonly id: string;
  readonly credential: string;
  readonly session: string;
  readonly material: { value: Uint8Array; username?: string };
  readonly scrubber: Scrubber;
  readonly expiresAt: number;
}

/** The broker as the connector sees it. */
export interface LeaseSource {
  lease(ask: {
    grant: LiveGrant;
    credential: string;
    session: string;
    traceparent: string | undefined;
  }): Promise<Lease>;
  release(session: string): Promise<void>;
  /** Says which sessions live. Resolves with how long the broker believes it, in milliseconds. */
  claim(sessions: readonly string[]): Promise<number>;
}

/** Asked again when less than this is left of it. */
const renewBeforeMs = 15_000;
/** A session that nobody used for so long gives its leases back. */
const idleMs = 5 * 60_000;
const maxLeases = 10_000;
/** Until the broker has said how long it believes a claim, and after one that failed. */
const firstClaimMs = 3_000;

/** A lease for one call. `done` says that the call no longer uses it. */
export interface UsedLease {
  lease: Lease;
  done(): void;
}

interface Held {
  lease: Promise<Lease>;
  ready: Lease | undefined;
  expiresAt: number;
  usedAt: number;
  inUse: number;
}

/**
 * The leases that this connector holds: one for each (session, server, credential), reused by the session's next calls
 * until shortly before it expires, given back when the session ends.
 */
export class Leases {
  readonly #source: LeaseSource;
  readonly #now: () => number;
  readonly #held = new Map<string, Map<string, Held>>();
  readonly #pinned = new Set<string>();

  constructor(source: LeaseSource, now: () => number = Date.now) {
    this.#source = source;
    this.#now = now;
  }

  /** The session's live lease, without waiting; undefined when the broker must be asked. */
  cached(ask: { grant: LiveGrant; credential: string; session: string }): UsedLease | undefined {
    const held = this.#held.get(ask.session)?.get(keyOf(ask));
    if (held?.ready === undefined || held.expiresAt - this.#now() < renewBeforeMs) return undefined;
    return { lease: held.ready, done: this.#using(held) };
  }

  /** The lease for this call, from the broker if there is none. `done` when the call no longer uses it. */
  async use(ask: {
    grant: LiveGrant;
    credential: string;
    session: string;
    traceparent: string | undefined;
  }): Promise<UsedLease> {
    const ofSession = this.#held.get(ask.session) ?? new Map<string, Held>();
    this.#held.set(ask.session, ofSession);
    const key = keyOf(ask);
    const now = this.#now();
    let held = ofSession.get(key);
    if (held === undefined || held.expiresAt - now < renewBeforeMs) {
      if (this.#held.size > maxLeases)
        throw new ServiceError("exhausted", "too many sessions hold credentials; try again");
      const fresh: Held = {
        lease: this.#source.lease(ask),
        ready: undefined,
        expiresAt: Number.POSITIVE_INFINITY,
        usedAt: now,
        inUse: 0,
      };
      ofSession.set(key, fresh);
      fresh.lease.then(
        (lease) => {
          fresh.ready = lease;
          fresh.expiresAt = lease.expiresAt;
        },
        () => {
          if (ofSession.get(key) === fresh) ofSession.delete(key);
        },
      );
      held = fresh;
    }
    const done = this.#using(held);
    try {
      return { lease: await held.lease, done };
    } catch (error) {
      done();
      throw error;
    }
  }

  /** A process runs on the session's lease, whether calls come or not: it does not end by being idle. */
  pin(session: string): void {
    this.#pinned.add(session);
  }

  /** The session has ended: its leases are revoked now. */
  async end(session: string): Promise<void> {
    this.#pinned.delete(session);
    if (!this.#held.delete(session)) return;
    await this.#source.release(session);
  }

  /**
   * Tells the broker which sessions live, again and again while the signal lasts, and lets go of those that nobody
   * uses. Often enough that two claims may be lost before the broker takes a session for dead.
   */
  async keepAlive(options: { signal: AbortSignal; failed(error: unknown): void }): Promise<void> {
    let waitMs = firstClaimMs;
    while (!options.signal.aborted) {
      await sleep(waitMs, undefined, { signal: options.signal, ref: false }).catch(() => undefined);
      if (options.signal.aborted) return;
      try {
        waitMs = (await this.sweep()) / 3;
      } catch (error) {
        waitMs = firstClaimMs;
        options.failed(error);
      }
    }
  }

  async sweep(): Promise<number> {
    const now = this.#now();
    const idle: string[] = [];
    for (const [session, leases] of this.#held) {
      const busy =
        this.#pinned.has(session) ||
        [...leases.values()].some((held) => held.inUse > 0 || now - held.usedAt < idleMs);
      if (!busy) idle.push(session);
    }
    await Promise.allSettled(idle.map((session) => this.end(session)));
    return this.#source.claim([...this.#held.keys()]);
  }

  #using(held: Held): () => void {
    held.inUse += 1;
    held.usedAt = this.#now();
    return () => {
      held.inUse -= 1;
      held.usedAt = this.#now();
    };
  }

  async close(): Promise<void> {
    await Promise.allSettled([...this.#held.keys()].map((session) => this.end(session)));
  }
}

/** What leases are kept under where the wire has no sessions: the principal's use of the server. */
export function statelessSession(owner: { principal: string; server: string }): string {
  return createHash("sha256")
    .update(JSON.stringify([owner.principal, owner.server]))
    .digest("base64url");
}

function keyOf(ask: { grant: LiveGrant; credential: string }): string {
  return `${ask.grant.facts.server} ${ask.credential}`;
}
