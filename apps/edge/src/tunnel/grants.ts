import type { KeyObject } from "node:crypto";
import type { Link } from "@sallyport/bus";
import { asServiceError, ServiceError } from "@sallyport/contracts";
import { signGrant, type TokenFacts } from "@sallyport/grant";

const lifetimeMs = 5 * 60_000;
/** Renewed when less than this is left, so that calls never wait for it. */
const renewBeforeMs = 90_000;
const maxGrants = 10_000;

export interface GrantSigner {
  edge: string;
  tenant: string;
  key: KeyObject;
  now(): Date;
}

/** A caller with a verified token: the token itself travels once per grant, sealed, to be verified again. */
export interface Caller {
  facts: TokenFacts;
  token: string;
}

interface Held {
  handle: number;
  caller: Caller;
  server: string;
  id: string;
  endsAt: number;
  usedAt: number;
  streams: number;
  renewing: boolean;
  refusal: ServiceError | undefined;
}

/** The grants of one link: one for each (agent token, server). A call names its grant by handle. */
export class Grants {
  readonly #link: Link;
  readonly #signer: GrantSigner;
  readonly #peer: { connector: string; session: string };
  readonly #byKey = new Map<string, Promise<Held>>();
  readonly #byHandle = new Map<number, Held>();
  #nextHandle = 1;
  #inUse = 0;

  constructor(link: Link, signer: GrantSigner, peer: { connector: string; session: string }) {
    this.#link = link;
    this.#signer = signer;
    this.#peer = peer;
  }

  /** Calls that use a grant or wait for one: what this link is asked to carry, from the moment it was chosen. */
  get inUse(): number {
    return this.#inUse;
  }

  /** The caller's grant for this server on this link, made now if there is none. Call `release` when the stream ends. */
  async use(caller: Caller, server: string): Promise<{ handle: number; release(): void }> {
    this.#inUse += 1;
    try {
      return await this.#live(caller, server);
    } catch (error) {
      this.#inUse -= 1;
      throw error;
    }
  }

  async #live(caller: Caller, server: string): Promise<{ handle: number; release(): void }> {
    const key = `${caller.facts.hash} ${server}`;
    let pending = this.#byKey.get(key);
    if (pending === undefined) {
      if (this.#byKey.size >= maxGrants)
        throw new ServiceError("exhausted", "too many agents use this tunnel; try again");
      pending = this.#open(caller, server);
      this.#byKey.set(key, pending);
      pending.catch(() => this.#byKey.delete(key));
    }
    const held = await pending;
    if (held.refusal) {
      this.#forget(held);
      throw held.refusal;
    }
    const now = this.#signer.now().getTime();
    if (held.endsAt <= now) {
      this.#forget(held);
      throw new ServiceError("unauthenticated", "the access token has expired");
    }
    held.usedAt = now;
    held.streams += 1;
    if (this.#isDue(held, now)) this.#renew(held);
    return {
      handle: held.handle,
      release: () => {
        held.streams -= 1;
        this.#inUse -= 1;
      },
    };
  }

  /** The connector's word on a grant. A refused one is not offered again under that handle. */
  answered(handle: number, refusal: ServiceError | undefined): void {
    const held = this.#byHandle.get(handle);
    if (held === undefined || refusal === undefined) return;
    held.refusal = refusal;
    this.#forget(held);
  }

  /** Drops every grant that matches: their streams end at the connector, and so here. */
  drop(matches: (grant: { facts: TokenFacts; server: string; id: string }) => boolean): void {
    for (const held of [...this.#byHandle.values()]) {
      if (matches({ facts: held.caller.facts, server: held.server, id: held.id })) this.#forget(held);
    }
  }

  /** Renews what is in use and about to end; forgets what has ended. Called every few seconds. */
  sweep(): void {
    const now = this.#signer.now().getTime();
    for (const held of [...this.#byHandle.values()]) {
      if (held.endsAt <= now) this.#forget(held);
      else if (this.#isDue(held, now) && (held.streams > 0 || now - held.usedAt < lifetimeMs))
        this.#renew(held);
    }
  }

  async #open(caller: Caller, server: string): Promise<Held> {
    const handle = this.#nextHandle;
    this.#nextHandle += 1;
    const held: Held = {
      handle,
      caller,
      server,
      id: "",
      endsAt: 0,
      usedAt: 0,
      streams: 0,
      renewing: false,
      refusal: undefined,
    };
    await this.#sign(held);
    this.#byHandle.set(handle, held);
    return held;
  }

  #isDue(held: Held, now: number): boolean {
    return (
      !held.renewing &&
      held.endsAt - now < renewBeforeMs &&
      held.endsAt < held.caller.facts.expiresAt.getTime()
    );
  }

  #renew(held: Held): void {
    held.renewing = true;
    this.#sign(held)
      .catch((error: unknown) => {
        held.refusal = asServiceError(error);
      })
      .finally(() => {
        held.renewing = false;
      });
  }

  async #sign(held: Held): Promise<void> {
    const now = this.#signer.now();
    const { facts, token } = held.caller;
    const expiresAt = new Date(Math.min(now.getTime() + lifetimeMs, facts.expiresAt.getTime()));
    const id = crypto.randomUUID();
    const grant = await signGrant(
      {
        id,
        edge: this.#signer.edge,
        tenant: this.#signer.tenant,
        agent: facts.agent,
        ...(facts.user === undefined ? {} : { user: facts.user }),
        server: held.server,
        scopes: facts.scopes,
        tokenHash: facts.hash,
        tokenIssuer: facts.issuer,
        connector: this.#peer.connector,
        session: this.#peer.session,
        issuedAt: now,
        expiresAt,
      },
      { key: this.#signer.key, keyId: this.#signer.edge },
    );
    held.id = id;
    held.endsAt = expiresAt.getTime();
    this.#link.control({ type: "grant", handle: held.handle, grant, token });
  }

  #forget(held: Held): void {
    if (!this.#byHandle.delete(held.handle)) return;
    this.#byKey.delete(`${held.caller.facts.hash} ${held.server}`);
    this.#link.control({ type: "drop", handle: held.handle });
  }
}
