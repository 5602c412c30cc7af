/** An access token for one resource (RFC 8707), by client credentials. */
export async function requestToken(ask: {
  issuer: string;
  client: string;
  secret: string;
  server: string;
  resource: string;
}): Promise<string> {
  const answer = await fetch(`${ask.issuer}/token`, {
    method: "POST",
    headers: {
      authorization: `Basic ${Buffer.from(`${ask.client}:${ask.secret}`).toString("base64")}`,
      "content-type": "application/x-www-form-urlencoded",
    },
    body: new URLSearchParams({
      grant_type: "client_credentials",
      scope: `mcp:${ask.server}`,
      resource: ask.resource,
    }),
  });
  const body = (await answer.json()) as { access_token?: string; error_description?: string };
  if (body.access_token === undefined)
    throw new Error(`the issuer gave no token: ${body.error_description ?? answer.status}`);
  return body.access_token;
}
