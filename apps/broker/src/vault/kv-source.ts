import type { CredentialSource } from "../credential-source.ts";
import type { Vault } from "./connection.ts";
import { VaultFailure } from "./failure.ts";

export interface KvSpec {
  mount: string;
  path: string;
  /** The field that holds the token, key or password. */
  field: string;
  /** For Basic: the field that holds the user's name. */
  usernameField?: string | undefined;
  /** How long a value is used before it is read again, so that a rotated one takes effect. */
  ttlSeconds: number;
}

/** A static value from KV version 2: `GET {mount}/data/{path}`. */
export function kvSource(vault: Vault, spec: KvSpec): CredentialSource {
  const path = `${spec.mount}/data/${spec.path}`;
  const textIn = (data: Record<string, unknown>, field: string): string => {
    const value = data[field];
    if (typeof value === "string" && value !== "") return value;
    throw new VaultFailure("missing", `vault ${path}: no text in field ${field}`);
  };
  return {
    lease: async (signal) => {
      const reply = await vault.call({ method: "read", path }, signal);
      const data = reply.data?.data;
      // A deleted version answers with metadata and no data.
      if (typeof data !== "object" || data === null)
        throw new VaultFailure("missing", `vault ${path}: nothing there`);
      const fields = data as Record<string, unknown>;
      const value = textIn(fields, spec.field);
      const username =
        spec.usernameField === undefined ? {} : { username: textIn(fields, spec.usernameField) };
      return { material: { value, ...username }, ttlSeconds: spec.ttlSeconds };
    },
  };
}
