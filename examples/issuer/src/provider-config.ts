import { randomBytes } from "node:crypto";
import { type Configuration, errors, type JWK, type KoaContextWithOIDC } from "oidc-provider";
import { decideScope } from "./decide-scope.ts";
import { registrationProblem } from "./registration-policy.ts";

/** A client that someone configured: an agent with a secret of its own. */
interface ConfiguredClient {
  readonly id: string;
  readonly secret: string;
  /** All it may ever have, e.g. `["mcp:orders"]`. */
  readonly scopes: readonly string[];
}

export interface ProviderOptions {
  /** Is this a resource here? `true` gives it the scope `mcp:{last path segment}`. */
  readonly resources: (resource: string) => boolean | { readonly scope: string };
  readonly clients: readonly ConfiguredClient[];
  readonly keys: readonly JWK[];
  /** Seconds a token lives. */
  readonly accessTokenTtlSeconds: number;
  readonly signingAlgorithm: "ES256" | "EdDSA";
  /** Who is signed in, without a password. */
  readonly demoUser: string;
  /** Hosts whose client ID metadata documents are fetched; none, and the feature is off. */
  readonly metadataDocumentHosts: readonly string[];
}

const sessionSeconds = 8 * 3600;

export function providerConfig(options: ProviderOptions): Configuration {
  const { accessTokenTtlSeconds: seconds, demoUser } = options;
  const known = new Set(options.clients.map(({ id }) => id));
  const clientScopes = options.clients.flatMap(({ scopes }) => scopes);
  return {
    clients: options.clients.map((client) => ({
      client_id: client.id,
      client_secret: client.secret,
      scope: client.scopes.join(" "),
      grant_types: ["client_credentials"],
      token_endpoint_auth_method: "client_secret_basic",
      redirect_uris: [],
      response_types: [],
    })),
    jwks: { keys: [...options.keys] },
    scopes: [...new Set(["openid", "offline_access", ...clientScopes])],
    clientDefaults: { token_endpoint_auth_method: "none", id_token_signed_response_alg: "ES256" },
    // One property of no meaning, so that the validator runs for each client that registers itself.
    extraClientMetadata: {
      properties: ["registration_policy"],
      validator: (_ctx, _key, _value, metadata) => {
        const problem = known.has(metadata.client_id) ? undefined : registrationProblem(metadata);
        if (problem) throw new errors.InvalidClientMetadata(problem);
      },
    },
    pkce: { required: () => true },
    clientBasedCORS: (_ctx, origin) => /^http:\/\/(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?$/.test(origin),
    cookies: { keys: [randomBytes(32).toString("base64url")] },
    findAccount: (_ctx, id) => (id === demoUser ? { accountId: id, claims: () => ({ sub: id }) } : undefined),
    interactions: { url: (_ctx, { uid }) => `/interaction/${uid}` },
    issueRefreshToken: async (_ctx, client) => client.grantTypeAllowed("refresh_token"),
    ttl: {
      AccessToken: seconds,
      ClientCredentials: seconds,
      IdToken: seconds,
      RefreshToken: sessionSeconds,
      Session: sessionSeconds,
      Grant: sessionSeconds,
      Interaction: 600,
    },
    renderError: (ctx, out) => {
      ctx.type = "text/plain";
      ctx.body = `${out.error}: ${out.error_description ?? ""}\n`;
    },
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      registration: { enabled: true, idFactory: () => `dyn-${randomBytes(12).toString("base64url")}` },
      revocation: { enabled: true },
      rpInitiatedLogout: { enabled: false },
      userinfo: { enabled: false },
      clientIdMetadataDocument: {
        enabled: options.metadataDocumentHosts.length > 0,
        ack: "draft-02",
        allowFetch: (_ctx, id) => options.metadataDocumentHosts.includes(URL.parse(id)?.host ?? ""),
      },
      resourceIndicators: {
        enabled: true,
        // A token for everything is a token to be replayed elsewhere: one resource must be named.
        defaultResource: (_ctx, _client, oneOf) => {
          const [only, ...others] = oneOf ?? [];
          if (only === undefined || others.length > 0)
            throw new errors.InvalidTarget("name one resource (RFC 8707)");
          return only;
        },
        useGrantedResource: () => true,
        getResourceServerInfo: (ctx, resource, client) => {
          const scope = scopeFor(ctx, {
            offered: options.resources(resource),
            resource,
            client: client.scope,
          });
          const jwt = { sign: { alg: options.signingAlgorithm } };
          return { scope, audience: resource, accessTokenTTL: seconds, accessTokenFormat: "jwt", jwt };
        },
      },
    },
  };
}

interface Offer {
  readonly offered: boolean | { readonly scope: string };
  readonly resource: string;
  readonly client: string | undefined;
}

function scopeFor(ctx: KoaContextWithOIDC, { offered, resource, client }: Offer): string {
  const wanted = ctx.oidc.params?.scope;
  const decision = decideScope({
    resource: scopeOf(resource, offered),
    client,
    wanted: typeof wanted === "string" ? wanted : "",
  });
  if ("scope" in decision) return decision.scope;
  if (decision.refused === "invalid_scope") throw new errors.InvalidScope(decision.why, String(wanted));
  throw new errors.InvalidTarget(decision.why);
}

function scopeOf(resource: string, offered: Offer["offered"]): string | undefined {
  if (offered === false) return undefined;
  return offered === true ? `mcp:${new URL(resource).pathname.split("/").at(-1)}` : offered.scope;
}
