import type { IncomingMessage, ServerResponse } from "node:http";
import type { Provider } from "oidc-provider";

/**
 * What a person sees: one page that says who asks for what, and a button. Signing in is a redirect: there
 * is one demo user. The consent is not automatic, since any page in the browser can start the flow.
 */
export async function interact(
  provider: Provider,
  request: IncomingMessage,
  { response, demoUser }: { response: ServerResponse; demoUser: string },
): Promise<void> {
  const interaction = await provider.interactionDetails(request, response);
  const { name, details } = interaction.prompt;
  if (name === "login") {
    return await provider.interactionFinished(request, response, { login: { accountId: demoUser } });
  }
  if (request.method !== "POST") {
    const client = await provider.Client.find(String(interaction.params.client_id));
    return page(response, {
      client: client?.clientName ?? String(interaction.params.client_id),
      demoUser,
      details,
    });
  }

  const known = interaction.grantId ? await provider.Grant.find(interaction.grantId) : undefined;
  const grant =
    known ?? new provider.Grant({ accountId: demoUser, clientId: String(interaction.params.client_id) });
  const { missingOIDCScope, missingResourceScopes } = details as Missing;
  if (missingOIDCScope) grant.addOIDCScope(missingOIDCScope.join(" "));
  for (const [resource, scopes] of Object.entries(missingResourceScopes ?? {})) {
    grant.addResourceScope(resource, scopes.join(" "));
  }
  const consent = { grantId: await grant.save() };
  await provider.interactionFinished(request, response, { consent }, { mergeWithLastSubmission: true });
}

interface Missing {
  readonly missingOIDCScope?: string[];
  readonly missingResourceScopes?: Record<string, string[]>;
}

interface Page {
  readonly client: string;
  readonly demoUser: string;
  readonly details: object;
}

function page(response: ServerResponse, { client, demoUser, details }: Page): void {
  const asked = Object.entries((details as Missing).missingResourceScopes ?? {});
  const items = asked.map(
    ([resource, scopes]) => `<li>${asText(scopes.join(", "))} at ${asText(resource)}</li>`,
  );
  response.writeHead(200, {
    "content-type": "text/html; charset=utf-8",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
    "cache-control": "no-store",
  });
  response.end(`<!doctype html><html lang="en"><title>Demo sign-in</title>
<style>body{font:16px system-ui;max-width:32rem;margin:4rem auto}button{font:inherit;padding:.5rem 2rem}</style>
<h1>Demo sign-in</h1>
<p>You are <b>${asText(demoUser)}</b>, a demo user without a password. <b>${asText(client)}</b> asks for:</p>
<ul>${items.join("")}</ul>
<form method="post"><button autofocus>Allow</button></form></html>`);
}

function asText(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`);
}
