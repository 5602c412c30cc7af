import { Secret, type SecretFile } from "@sallyport/runtime";
import type { VaultClient } from "./client.ts";
import { VaultFailure } from "./failure.ts";
import { stampOf } from "./file-stamp.ts";

/** AppRole. Exactly one of the two: a secret_id, or a token that unwraps to one, once. */
export interface AppRole {
  mount: string;
  roleId: SecretFile;
  secretId?: SecretFile | undefined;
  secretIdWrapped?: SecretFile | undefined;
}

export interface Token {
  secret: Secret;
  ttlSeconds: number;
  renewable: boolean;
}

/** Gets a token. It may be called again whenever the last token is of no use any more. */
export type Login = (signal: AbortSignal) => Promise<Token>;

/** Something about the login that only a person can mend: waiting does not help. */
export class LoginRefused extends Error {
  override readonly name = "LoginRefused";
}

/**
 * A `secretId` file is read at every login, so a new one takes effect by itself. A wrapped one is unwrapped once and
 * then lives in this process's memory only: a broker that starts again needs a fresh wrapping token. A new wrapping
 * token is looked at only after the secret_id in memory was refused, as it may be there for the next start.
 */
export function appRoleLogin(client: VaultClient, role: AppRole): Login {
  let unwrapped: { secretId: Secret; from: string | undefined } | undefined;
  let refused = false;
  const secretId = async (signal: AbortSignal): Promise<Secret> => {
    if (role.secretId !== undefined) return await role.secretId.read();
    const from = role.secretIdWrapped && (await stampOf([role.secretIdWrapped]));
    if (unwrapped === undefined || (refused && from !== undefined && from !== unwrapped.from)) {
      unwrapped = { secretId: Secret.fromText(await unwrapSecretId(client, role, signal)), from };
    }
    return unwrapped.secretId;
  };
  return async (signal) => {
    const body = {
      role_id: (await role.roleId.read()).revealText(),
      secret_id: (await secretId(signal)).revealText(),
    };
    const path = `auth/${role.mount}/login`;
    const { auth } = await client.ask({ method: "write", path, body, signal }).catch((thrown: unknown) => {
      if (!isRefusal(thrown)) throw thrown;
      refused = true;
      throw refusedLogin(role, thrown);
    });
    refused = false;
    if (!auth) throw new VaultFailure("faulty", `vault ${path}: no token in the answer`);
    return {
      secret: Secret.fromText(auth.client_token),
      ttlSeconds: auth.lease_duration,
      renewable: auth.renewable,
    };
  };
}

async function unwrapSecretId(client: VaultClient, role: AppRole, signal: AbortSignal): Promise<string> {
  const file = role.secretIdWrapped;
  if (file === undefined) throw new LoginRefused("neither secretId nor secretIdWrapped is set");
  const token = (await file.read()).revealText();
  const refused = (thrown: unknown) => (isRefusal(thrown) ? usedBefore(file.path) : thrown);
  const lookup = await client
    .ask({ method: "write", path: "sys/wrapping/lookup", body: { token }, signal })
    .catch((thrown: unknown) => {
      throw refused(thrown);
    });
  // Whoever can replace the file could hand over a token that wraps a secret_id of his own choice.
  const from = String(lookup.data?.creation_path);
  if (!from.startsWith(`auth/${role.mount}/role/`) || !from.endsWith("/secret-id")) {
    throw new LoginRefused(
      `the wrapping token in ${file.path} does not wrap a secret_id: it was made at ${from}`,
    );
  }
  const { data } = await client
    .ask({ method: "write", path: "sys/wrapping/unwrap", body: {}, token, signal })
    .catch((thrown: unknown) => {
      throw refused(thrown);
    });
  const secretId = data?.secret_id;
  if (typeof secretId !== "string")
    throw new LoginRefused(`the wrapping token in ${file.path} wraps no secret_id`);
  return secretId;
}

function isRefusal(thrown: unknown): boolean {
  return thrown instanceof VaultFailure && (thrown.problem === "refused" || thrown.problem === "denied");
}

function usedBefore(path: string): LoginRefused {
  return new LoginRefused(
    `the wrapping token in ${path} was used before, or has expired. If it was not this broker's last start that used it, ` +
      "somebody else may have unwrapped the secret_id: destroy it, look in Vault's audit log who did, then hand over a " +
      "fresh wrapping token",
  );
}

function refusedLogin(role: AppRole, thrown: unknown): LoginRefused {
  const file = (role.secretId ?? role.secretIdWrapped)?.path;
  const said = thrown instanceof VaultFailure ? thrown.said : undefined;
  return new LoginRefused(
    `Vault refuses the broker's role_id or secret_id (${file}): ${said ?? "no reason given"}`,
    {
      cause: thrown,
    },
  );
}
