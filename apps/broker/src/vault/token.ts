import type { VaultClient } from "./client.ts";
import type { VaultLog } from "./connection.ts";
import { VaultFailure } from "./failure.ts";
import type { Login, Token } from "./login.ts";

export interface TokenKeeper {
  /** The token in use, after a login if there is none yet. */
  current(signal: AbortSignal): Promise<Token>;
  /** Whether Vault still knows this token. */
  isAlive(token: Token, signal: AbortSignal): Promise<boolean>;
  /** A new token in the place of this one. Of several callers one logs in; all get its token. */
  replace(dead: Token, signal: AbortSignal): Promise<Token>;
}

export interface KeeperOptions {
  callMs: number;
  closing: AbortSignal;
  log: VaultLog;
  /** Told when a renewal in the background fails. */
  onTrouble(thrown: unknown): void;
}

/**
 * Renews the token at two thirds of its life, and logs in again where that does not do. A token's leases die with it,
 * so a token is never given up while it can be renewed, not even at the end of the process.
 */
export function tokenKeeper(client: VaultClient, login: Login, options: KeeperOptions): TokenKeeper {
  let token: Token | undefined;
  let entering: Promise<Token> | undefined;
  let timer: NodeJS.Timeout | undefined;
  const deadline = () => AbortSignal.any([options.closing, AbortSignal.timeout(options.callMs)]);
  options.closing.addEventListener("abort", () => clearTimeout(timer), { once: true });

  const renewAfter = (ttlSeconds: number) => {
    clearTimeout(timer);
    if (options.closing.aborted || ttlSeconds <= 0) return; // 0: a root token, which tests use, has no end
    const ms = Math.min((ttlSeconds * 2000) / 3, 2 ** 31 - 1);
    timer = setTimeout(() => {
      renew().catch((thrown: unknown) => options.onTrouble(thrown));
    }, ms);
  };
  const enter = (): Promise<Token> => {
    entering ??= login(deadline())
      .then((fresh) => {
        options.log.info({ ttlSeconds: fresh.ttlSeconds }, "logged in to Vault");
        token = fresh;
        renewAfter(fresh.ttlSeconds);
        return fresh;
      })
      .finally(() => {
        entering = undefined;
      });
    return entering;
  };
  const renew = async (): Promise<void> => {
    const held = token;
    if (held === undefined) return;
    if (!held.renewable) return void (await enter());
    try {
      const { auth } = await client.ask({
        method: "write",
        path: "auth/token/renew-self",
        body: {},
        token: held.secret.revealText(),
        signal: deadline(),
      });
      const ttlSeconds = auth?.lease_duration ?? 0;
      // Near its longest life Vault gives less and less: the next token is made in time.
      if (ttlSeconds * 2 < held.ttlSeconds) await enter();
      else renewAfter(ttlSeconds);
    } catch (thrown) {
      renewAfter(Math.max(1, held.ttlSeconds / 6));
      if (thrown instanceof VaultFailure && thrown.problem === "denied") await enter();
      else throw thrown;
    }
  };
  return {
    current: (signal) => (token === undefined ? within(enter(), signal) : Promise.resolve(token)),
    replace: (dead, signal) => {
      // It is of no use whether the login succeeds or not, and Vault is not to be asked about it again.
      if (token === dead) token = undefined;
      return token === undefined ? within(enter(), signal) : Promise.resolve(token);
    },
    isAlive: async (held, signal) => {
      const ask = { method: "read", path: "auth/token/lookup-self", signal } as const;
      try {
        await client.ask({ ...ask, token: held.secret.revealText() });
        return true;
      } catch (thrown) {
        if (thrown instanceof VaultFailure && thrown.problem === "denied") return false;
        throw thrown;
      }
    },
  };
}

/** A login is shared, so no caller may cancel it; each waits for it only as long as it can. */
function within<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const late = () => reject(new VaultFailure("slow", "vault login: no answer in time"));
  if (signal.aborted) late();
  signal.addEventListener("abort", late, { once: true });
  return Promise.race([work, promise]).finally(() => signal.removeEventListener("abort", late));
}
