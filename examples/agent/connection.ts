import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import {
  type AuthProvider,
  ClientCredentialsProvider,
  type OAuthClientProvider,
} from "@modelcontextprotocol/client";
import { parse } from "yaml";

export interface Connection {
  readonly endpoint: URL;
  readonly auth: AuthProvider | OAuthClientProvider;
}

/** A token that somebody else keeps fresh: the file is read again for each request. */
export function withTokenFile(endpoint: string, tokenFile: string): Connection {
  return {
    endpoint: new URL(endpoint),
    auth: { token: async () => readFileSync(tokenFile, "utf8").trim() },
  };
}

interface StackSettings {
  readonly edge: { readonly url: string };
  readonly issuer: { readonly url: string; readonly clientId: string; readonly clientSecretFile: string };
}

/**
 * A server of the local stack, as `pnpm dev` wrote down where it is. The SDK gets a token by itself: the endpoint's 401
 * names its issuer, and the issuer gives a token for this endpoint alone (RFC 9728, RFC 8707).
 */
export function withLocalStack(settingsFile: string, server: string): Connection {
  const { edge, issuer } = readSettings(settingsFile);
  const secretFile = resolve(dirname(settingsFile), issuer.clientSecretFile);
  return {
    endpoint: new URL(`/mcp/${server}`, edge.url),
    auth: new ClientCredentialsProvider({
      clientId: issuer.clientId,
      clientSecret: readFileSync(secretFile, "utf8").trim(),
      // The secret goes to this issuer, whatever an endpoint may name.
      expectedIssuer: issuer.url,
    }),
  };
}

function readSettings(file: string): StackSettings {
  try {
    return parse(readFileSync(file, "utf8")) as StackSettings;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "ENOENT") throw cause;
    throw new Error(
      `there is no local stack at ${file}: start it with "npx pnpm@12 dev", or give --endpoint and --token-file`,
      { cause },
    );
  }
}
