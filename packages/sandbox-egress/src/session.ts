import type { SecureContext } from "node:tls";
import type { CredentialMaterial, Resolver } from "@sallyport/egress";
import type { Decision, HttpAsk, HttpPolicies } from "@sallyport/policy";
import { type Denial, DenialError } from "./denial.ts";
import { IssuedTokens } from "./issued-tokens.ts";
import { type Placeholder, Placeholders } from "./placeholders.ts";
import { Secrets } from "./secrets.ts";
import type { TokenEndpoint } from "./token-endpoint.ts";

/** One line of the audit: public, of a request's path without its query. */
export interface EgressRecord {
  readonly sandbox: string;
  readonly agent: string;
  readonly user?: string | undefined;
  readonly outcome: "allowed" | "denied" | "ended";
  readonly code?: string | undefined;
  readonly ruleId?: string | undefined;
  readonly reason?: string | undefined;
  readonly method: string;
  readonly scheme: string;
  readonly host: string;
  readonly port: number;
  readonly path: string;
  /** The names of what was placed into it; of code `issued`, of what its answer was relieved of. */
  readonly credentials?: readonly string[] | undefined;
}

export interface EgressLimits {
  /** Of one sandbox, at once. */
  readonly connections: number;
  readonly headerBytes: number;
  /** Until a request's head, or a tunnel's ClientHello, is there. */
  readonly headTimeoutMs: number;
  /** Look-up, connection and TLS handshake together. */
  readonly connectTimeoutMs: number;
  readonly idleMs: number;
  /** The longest that one request or tunnel may last. */
  readonly totalMs: number;
}

export interface EgressDeps {
  /** Resolves when it is written. What cannot be recorded does not happen. */
  readonly record: (fields: EgressRecord) => Promise<void>;
  /** A credential's present value, for one request: what was revoked is not there any more. */
  readonly lease: (credential: string) => Promise<CredentialMaterial>;
  readonly resolver: Resolver;
  /** `host:port` → the one address that it is at, though names may not lead there: a server of ours on a private net. */
  readonly addresses: ReadonlyMap<string, string>;
  /** Certificate authorities to trust besides the system's, PEM. */
  readonly upstreamCa?: string | undefined;
  /** Both of these, made already (`upstreamTrust`); then `upstreamCa` is not read. */
  readonly trust?: SecureContext | undefined;
  readonly limits: EgressLimits;
  /** Milliseconds since 1970: when what a token endpoint handed out ends. The system's clock unless told. */
  readonly now?: (() => number) | undefined;
}

/** Who sits in the sandbox. The socket says so, never a request. */
export interface Identity {
  readonly agent: string;
  readonly user?: string | undefined;
}

export type Ask = Omit<HttpAsk, "agent" | "user">;

interface Running {
  readonly ask: Ask;
  readonly end: (denial: Denial) => void;
}

export interface SessionOptions {
  readonly sandbox: string;
  readonly identity: Identity;
  readonly policy: HttpPolicies;
  readonly placeholders?: readonly Placeholder[] | undefined;
  readonly tokenEndpoints?: readonly TokenEndpoint[] | undefined;
}

/** Of one policy, remembered. */
const MOST_DECISIONS = 512;
const MOST_KEY = 512;

/** One sandbox's policy and placeholders, and what it has open under it. */
export class Session {
  readonly sandbox: string;
  readonly deps: EgressDeps;
  readonly placeholders: Placeholders;
  readonly secrets = new Secrets();
  readonly tokens: IssuedTokens;
  readonly #identity: Identity;
  readonly #running = new Set<Running>();
  readonly #decisions = new Map<string, Decision>();
  #policy: HttpPolicies;

  constructor(options: SessionOptions, deps: EgressDeps) {
    this.sandbox = options.sandbox;
    this.#identity = options.identity;
    this.#policy = options.policy;
    this.deps = deps;
    this.placeholders = new Placeholders(options.placeholders ?? [], options.tokenEndpoints ?? []);
    this.tokens = new IssuedTokens(this.placeholders, this.secrets, deps.now ?? Date.now);
  }

  /** Without a record. */
  wouldAllow(ask: Ask): boolean {
    return this.#decide(ask).allow;
  }

  /** The same question again has the same answer, until there is another policy. */
  #decide(ask: Ask): Decision {
    const { method, scheme, host, port, tls, path } = ask;
    const key = `${method} ${scheme} ${host} ${port} ${tls} ${path}`;
    const known = this.#decisions.get(key);
    if (known !== undefined) return known;
    const decision = this.#policy.decide({ ...ask, ...this.#identity });
    if (this.#decisions.size >= MOST_DECISIONS) this.#decisions.clear();
    if (key.length <= MOST_KEY) this.#decisions.set(key, decision);
    return decision;
  }

  /**
   * Decided, written down, and from here on ended when a new policy denies it. Whatever happens next happens after the
   * record.
   *
   * @throws DenialError
   */
  async admit(ask: Ask, end: Running["end"], credentials?: readonly string[]): Promise<() => void> {
    const decision = this.#decide(ask);
    if (!decision.allow) {
      const { ruleId, reason } = decision;
      throw await this.denied(ask, { code: "policy", reason, ruleId });
    }
    const running = { ask, end };
    this.#running.add(running);
    try {
      await this.#write(ask, {
        outcome: "allowed",
        ruleId: decision.ruleId,
        ...(credentials?.length ? { credentials } : {}),
      });
    } catch (cause) {
      this.#running.delete(running);
      const reason = "the request could not be recorded, so it was not sent; try again later";
      throw new DenialError({ code: "record", reason }, { cause });
    }
    return () => this.#running.delete(running);
  }

  /** Writes a refusal down. It stays one where that fails. */
  async denied(ask: Ask, denial: Denial): Promise<DenialError> {
    await this.#write(ask, { outcome: "denied", ...denial }).catch(() => {});
    return new DenialError(denial);
  }

  /** An answer's credentials are in our hands. What cannot be recorded is not given out. */
  async issued(ask: Ask, credentials: readonly string[]): Promise<void> {
    try {
      await this.#write(ask, { outcome: "allowed", code: "issued", credentials });
    } catch (cause) {
      const reason = "the answer could not be recorded, so it is not passed on; try again later";
      throw new DenialError({ code: "record", reason }, { cause });
    }
  }

  /** What is open and would be denied now ends now. */
  setPolicy(policy: HttpPolicies): void {
    this.#policy = policy;
    this.#decisions.clear();
    for (const running of [...this.#running]) {
      const decision = this.#decide(running.ask);
      if (decision.allow) continue;
      const { ruleId, reason } = decision;
      const denial: Denial = { code: "policy", reason, ruleId };
      this.#running.delete(running);
      running.end(denial);
      this.#write(running.ask, { outcome: "ended", ...denial }).catch(() => {});
    }
  }

  #write(
    ask: Ask,
    fields: Pick<EgressRecord, "outcome" | "code" | "ruleId" | "reason" | "credentials">,
  ): Promise<void> {
    const { method, scheme, host, port } = ask;
    const { agent, user } = this.#identity;
    const path = ask.path.slice(0, 1024);
    return this.deps.record({
      ...fields,
      sandbox: this.sandbox,
      agent,
      user,
      method,
      scheme,
      host,
      port,
      path,
    });
  }
}
