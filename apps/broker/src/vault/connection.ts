import type { VaultAsk, VaultClient, VaultReply } from "./client.ts";
import { isOutage, VaultFailure, type VaultProblem } from "./failure.ts";
import { type Login, LoginRefused } from "./login.ts";
import { type TokenKeeper, tokenKeeper } from "./token.ts";

export interface VaultLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface VaultTimes {
  /** The longest that one call may take, with a login in between if it needs one. */
  callMs: number;
  /** How often Vault is asked whether it is back, while it is known to be away. */
  probeMs: number;
  /** How often Vault is asked whether it is there, while nothing else says that it is not. */
  watchMs: number;
  /** How long the first login may take before the boot fails. */
  patienceMs: number;
}

const usualTimes: VaultTimes = { callMs: 800, probeMs: 500, watchMs: 5_000, patienceMs: 30_000 };

type Request = Pick<VaultAsk, "method" | "path" | "body">;

export interface Vault {
  /** One request with the broker's token. Ends within `callMs`, at once while Vault is known to be away. */
  call(ask: Request, signal?: AbortSignal): Promise<VaultReply>;
  /** Why Vault cannot be used now, or undefined. */
  problem(): string | undefined;
  close(): void;
}

interface Outage {
  problem: VaultProblem;
  message: string;
}

/**
 * Logs in and keeps the token alive. The first login has to succeed, so that a broker that can never work does not
 * start; from then on a Vault that goes away is noticed by the first call that fails, or by the watch where nobody calls,
 * and its return by a probe.
 */
export async function connectVault(
  client: VaultClient,
  login: Login,
  options: { log: VaultLog; times?: Partial<VaultTimes> },
): Promise<Vault> {
  const times = { ...usualTimes, ...options.times };
  const connection = new Connection(client, login, { log: options.log, times });
  try {
    await connection.open();
  } catch (thrown) {
    connection.close();
    throw thrown;
  }
  return connection;
}

class Connection implements Vault {
  readonly #client: VaultClient;
  readonly #log: VaultLog;
  readonly #times: VaultTimes;
  readonly #tokens: TokenKeeper;
  readonly #closing = new AbortController();
  #outage: Outage | undefined;
  #probing: Promise<void> | undefined;

  constructor(client: VaultClient, login: Login, { log, times }: { log: VaultLog; times: VaultTimes }) {
    this.#client = client;
    this.#log = log;
    this.#times = times;
    this.#tokens = tokenKeeper(client, login, {
      callMs: times.callMs,
      closing: this.#closing.signal,
      log,
      onTrouble: (thrown) => this.#learn(thrown),
    });
  }

  async open(): Promise<void> {
    const until = Date.now() + this.#times.patienceMs;
    for (let warned = false; ; warned = true) {
      const found = await this.#firstLogin();
      if (found === undefined) break;
      if (Date.now() >= until) throw found;
      if (!warned) this.#log.warn({ problem: found.message }, "Vault cannot be used yet; trying again");
      await pause(this.#times.probeMs, this.#closing.signal);
    }
    void this.#watch();
  }

  problem(): string | undefined {
    return this.#outage?.message;
  }

  async call(ask: Request, signal?: AbortSignal): Promise<VaultReply> {
    if (this.#outage !== undefined) throw new VaultFailure(this.#outage.problem, this.#outage.message);
    try {
      return await this.#withToken(ask, this.#deadline(signal));
    } catch (thrown) {
      this.#learn(thrown);
      throw thrown instanceof LoginRefused ? new VaultFailure("denied", thrown.message) : thrown;
    }
  }

  close(): void {
    this.#closing.abort();
    this.#client.close();
  }

  /** What may pass by itself is returned; anything else is thrown. */
  async #firstLogin(): Promise<VaultFailure | undefined> {
    try {
      const health = await this.#client.health(this.#deadline());
      if (health.sealed) return new VaultFailure("sealed", "Vault is sealed");
      await this.#tokens.current(this.#deadline());
      return undefined;
    } catch (thrown) {
      if (thrown instanceof VaultFailure) return thrown;
      throw thrown;
    }
  }

  /** A token that Vault does not know any more is replaced once. A refusal of a good token is a refusal. */
  async #withToken(ask: Request, signal: AbortSignal): Promise<VaultReply> {
    const token = await this.#tokens.current(signal);
    try {
      return await this.#client.ask({ ...ask, token: token.secret.revealText(), signal });
    } catch (thrown) {
      if (!(thrown instanceof VaultFailure) || thrown.problem !== "denied") throw thrown;
      if (await this.#tokens.isAlive(token, signal)) throw thrown;
      const fresh = await this.#tokens.replace(token, signal);
      return await this.#client.ask({ ...ask, token: fresh.secret.revealText(), signal });
    }
  }

  /** From one call's failure: is all of Vault away? One that is slow may be one slow route, so Vault is asked. */
  #learn(thrown: unknown): void {
    if (thrown instanceof LoginRefused) this.#down({ problem: "denied", message: thrown.message });
    else if (thrown instanceof VaultFailure && isOutage(thrown.problem)) {
      if (thrown.problem !== "slow") this.#down(thrown);
      this.#probe();
    }
  }

  #down({ problem, message }: Outage): void {
    if (this.#outage?.problem !== problem)
      this.#log.error({ problem, detail: message }, "Vault cannot be used");
    this.#outage = { problem, message };
    this.#probe();
  }

  /** An idle broker has to know too: one request without a token, which Vault's audit devices do not record. */
  async #watch(): Promise<void> {
    while (!this.#closing.signal.aborted) {
      await pause(this.#times.watchMs, this.#closing.signal);
      if (this.#closing.signal.aborted || this.#probing !== undefined) continue;
      try {
        const { sealed } = await this.#client.health(this.#deadline());
        if (sealed) this.#down({ problem: "sealed", message: "Vault is sealed" });
      } catch (thrown) {
        if (!this.#closing.signal.aborted) this.#learn(thrown);
      }
    }
  }

  /** Asks until Vault can be used. One at a time. */
  #probe(): void {
    this.#probing ??= this.#untilBack().finally(() => {
      this.#probing = undefined;
    });
  }

  async #untilBack(): Promise<void> {
    while (!this.#closing.signal.aborted) {
      const found = await this.#look();
      if (this.#closing.signal.aborted) return;
      if (found === undefined) {
        if (this.#outage !== undefined) this.#log.info({}, "Vault can be used again");
        this.#outage = undefined;
        return;
      }
      this.#down(found);
      await pause(this.#times.probeMs, this.#closing.signal);
    }
  }

  async #look(): Promise<Outage | undefined> {
    try {
      const health = await this.#client.health(this.#deadline());
      if (health.sealed) return { problem: "sealed", message: "Vault is sealed" };
      const token = await this.#tokens.current(this.#deadline());
      const alive = await this.#tokens.isAlive(token, this.#deadline());
      if (!alive) await this.#tokens.replace(token, this.#deadline());
      return undefined;
    } catch (thrown) {
      if (thrown instanceof VaultFailure) return thrown;
      return { problem: "denied", message: thrown instanceof Error ? thrown.message : String(thrown) };
    }
  }

  #deadline(signal?: AbortSignal): AbortSignal {
    const signals = [this.#closing.signal, AbortSignal.timeout(this.#times.callMs)];
    return AbortSignal.any(signal === undefined ? signals : [...signals, signal]);
  }
}

/** Waits, or ends early with the signal. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  const early = () => resolve();
  signal.addEventListener("abort", early, { once: true });
  return promise.finally(() => {
    clearTimeout(timer);
    signal.removeEventListener("abort", early);
  });
}
