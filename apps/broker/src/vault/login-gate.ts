import type { VaultClient } from "./client.ts";
import { stampOf } from "./file-stamp.ts";
import { type AppRole, appRoleLogin, type Login, LoginRefused } from "./login.ts";

const minute = 60_000;
/** `lockout_duration` and `lockout_counter_reset` of Vault and OpenBao, unless an operator changed them. */
const lockoutMs = 15 * minute;
const slowMs = 16 * minute;

/** When a login that was refused this many times in a row may be tried again. Both in Unix milliseconds. */
export type NextTry = (refusals: number, now: number) => number;

/**
 * Vault and OpenBao lock an AppRole at its fifth refused login when each came less than 15 minutes after the one before,
 * and then refuse a good secret_id too. So a refused login is tried once more after 5 s, and then only when that count
 * starts anew. Brokers share the count of their AppRole: they try at the same minutes of the clock, with a quarter of an
 * hour without a try between, and the first wait is long enough for another's quarter that began in the meantime.
 */
export function nextTryAt(refusals: number, now: number): number {
  if (refusals === 1) return now + 5_000;
  const least = refusals === 2 ? 2 * lockoutMs : lockoutMs;
  return Math.ceil((now + least) / slowMs) * slowMs;
}

/**
 * Repeats a refusal without asking Vault until its time has come, or until the files of the login are others. A login
 * that failed for another reason is not held back: a Vault that was not reached has counted nothing.
 */
export function gateLogin(
  login: Login,
  gate: { stamp: () => Promise<string | undefined>; nextTry?: NextTry; now?: () => number },
): Login {
  const { stamp, nextTry = nextTryAt, now = Date.now } = gate;
  let refusals = 0;
  let last: { refusal: LoginRefused; files: string | undefined; until: number } | undefined;
  return async (signal) => {
    const files = await stamp();
    const others = files !== undefined && files !== last?.files;
    if (last !== undefined && !others && now() < last.until) throw last.refusal;
    try {
      const token = await login(signal);
      last = undefined;
      refusals = 0;
      return token;
    } catch (thrown) {
      if (!(thrown instanceof LoginRefused)) throw thrown;
      refusals = others ? 1 : refusals + 1;
      last = { refusal: thrown, files, until: nextTry(refusals, now()) };
      throw thrown;
    }
  };
}

/** AppRole, without being locked out by its own tries. A new secret_id or wrapping token is tried at once. */
export function patientLogin(client: VaultClient, role: AppRole, nextTry?: NextTry): Login {
  const files = [role.roleId, role.secretId, role.secretIdWrapped].filter((file) => file !== undefined);
  return gateLogin(appRoleLogin(client, role), {
    stamp: () => stampOf(files),
    ...(nextTry === undefined ? {} : { nextTry }),
  });
}
