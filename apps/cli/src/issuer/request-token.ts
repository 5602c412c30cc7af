import type { SecretFile } from "@sallyport/runtime";
import { z } from "zod";
import { CommandFailure } from "../command-failure.ts";
import { askJson } from "../http/ask-json.ts";
import { issuerMetadata } from "./metadata.ts";

const TokenAnswer = z.object({
  access_token: z.string().min(1).max(16_384),
  expires_in: z.number().positive().optional(),
});
const Refusal = z.object({
  error: z.string().max(200),
  error_description: z.string().max(1000).optional(),
});

export interface TokenAsk {
  issuer: string;
  clientId: string;
  clientSecret: SecretFile;
  /** The one resource that the token opens (RFC 8707). */
  resource: string;
  scope: string;
  now: () => number;
}

export interface IssuedToken {
  token: string;
  expiresAt: Date | undefined;
}

/** An access token by client credentials (RFC 6749 section 4.4). Throws CommandFailure `refused` with the issuer's reason. */
export async function requestToken(ask: TokenAsk): Promise<IssuedToken> {
  const { metadata } = await issuerMetadata(ask.issuer);
  const answer = await askJson(metadata.token_endpoint, {
    setting: "issuer.url",
    method: "POST",
    headers: {
      authorization: await basic(ask.clientId, ask.clientSecret),
      "content-type": "application/x-www-form-urlencoded",
      accept: "application/json",
    },
    body: new URLSearchParams({
      grant_type: "client_credentials",
      scope: ask.scope,
      resource: ask.resource,
    }).toString(),
  });
  const given = TokenAnswer.safeParse(answer.body);
  if (answer.status === 200 && given.success) {
    const { access_token, expires_in } = given.data;
    return {
      token: access_token,
      expiresAt: expires_in === undefined ? undefined : new Date(ask.now() + expires_in * 1000),
    };
  }
  throw refused(ask, answer.status, answer.body);
}

/** RFC 6749 section 2.3.1: both parts are form-encoded before they are joined. */
async function basic(clientId: string, clientSecret: SecretFile): Promise<string> {
  const form = (text: string) => new URLSearchParams({ v: text }).toString().slice(2);
  const secret = (await clientSecret.read()).revealText();
  return `Basic ${Buffer.from(`${form(clientId)}:${form(secret)}`).toString("base64")}`;
}

const settings: Record<string, { setting: string; fix: string }> = {
  invalid_client: {
    setting: "issuer.clientId, issuer.clientSecretFile",
    fix: "use an id and a secret that this issuer knows",
  },
  invalid_target: { setting: "edge.url", fix: "name a server that the issuer has as a resource" },
  invalid_scope: { setting: "issuer.clientId", fix: "let the issuer give this client the server's scope" },
};

function refused(ask: TokenAsk, status: number, body: unknown): CommandFailure {
  const refusal = Refusal.safeParse(body);
  if (!refusal.success) {
    const what = `the issuer answered status ${status} and no token`;
    return new CommandFailure("unavailable", what, { setting: "issuer.url", fix: "see the issuer's log" });
  }
  const { error, error_description: why = "" } = refusal.data;
  const what = `the issuer refuses ${ask.clientId} a token for ${ask.resource}: ${error}`;
  return new CommandFailure("refused", why === "" ? what : `${what} (${why})`, settings[error] ?? {});
}
