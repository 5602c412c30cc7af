import { setTimeout as delay } from "node:timers/promises";
import { type Account, decode, encodeAccount, type KeyPair } from "@nats-io/jwt";
import { contracts } from "@sallyport/contracts";
import { assetsOf } from "./assets.ts";

/** User's public key → Unix seconds up to which its JWTs are worth nothing. */
type Revocations = Readonly<Record<string, number>>;

/** A tenant's account, by its operator: what it may take, and who of it is cut off. */
export function encodeTenantAccount(
  tenant: string,
  by: { key: KeyPair; operator: KeyPair; revocations: Revocations },
): Promise<string> {
  const claims = { limits: accountLimits(), revocations: { ...by.revocations } };
  return encodeAccount(tenant, by.key, claims, { signer: by.operator });
}

/** The relay's own account: its operator's commands connect here, one at a time, and nobody else. */
export function encodeSystemAccount(key: KeyPair, operator: KeyPair): Promise<string> {
  const limits = {
    ...{ subs: -1, data: -1, payload: 1024 * 1024, conn: 64, wildcards: true, disallow_bearer: true },
    ...{ leaf: 0, imports: 0, exports: 0 },
  };
  return encodeAccount("SYS", key, { limits }, { signer: operator });
}

/**
 * Resolves once a JWT that is made now is newer than this one. Times are whole seconds, and of two of the same second a
 * server that starts takes the one in its configuration: a revocation in the other would be undone.
 */
export async function laterThan(jwt: string): Promise<void> {
  const next = (decode<Account>(jwt).iat + 1) * 1000;
  // A timer may be early by less than a millisecond.
  while (Date.now() < next) await delay(next - Date.now() + 1);
}

/** Pure: what an account's JWT cuts off. */
export function revocationsIn(jwt: string): Revocations {
  return decode<Account>(jwt).nats.revocations ?? {};
}

function accountLimits() {
  const streams = assetsOf(contracts).length;
  return {
    ...{ subs: -1, data: -1, payload: 1024 * 1024, conn: 4096, wildcards: true, disallow_bearer: true },
    ...{ leaf: 0, imports: 0, exports: 0 },
    // Bytes on disk are bounded by each stream and by the server's `max_file_store`; nothing is kept in memory alone.
    ...{ streams, consumer: 4096, disk_storage: -1, mem_storage: 0, max_bytes_required: true },
  };
}
