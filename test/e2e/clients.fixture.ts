import {
  Client as ClientV2,
  StreamableHTTPClientTransport as TransportV2,
} from "@modelcontextprotocol/client";
import { Client as ClientV1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as TransportV1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import type { Stack } from "@sallyport/infra-local";

interface Caller {
  server: string;
  token: string;
}

const who = { name: "test", version: "1" };

/** The official client of 2025-11-25. */
export async function connectV1(
  stack: Stack,
  { server, token }: Caller,
): Promise<{ client: ClientV1; transport: TransportV1 }> {
  const client = new ClientV1(who, { capabilities: { sampling: {}, elicitation: {}, roots: {} } });
  const transport = new TransportV1(new URL(stack.endpoint(server)), init(token));
  // The SDK's own class declares `sessionId` without undefined, which exactOptionalPropertyTypes refuses.
  await client.connect(transport as Parameters<ClientV1["connect"]>[0]);
  return { client, transport };
}

/** The official client of 2026-07-28, which falls back to sessions where the server knows no better. */
export async function connectV2(
  stack: Stack,
  { server, token }: Caller,
): Promise<{ client: ClientV2; transport: TransportV2 }> {
  const client = new ClientV2(who, {
    capabilities: { sampling: {}, elicitation: {}, roots: {} },
    versionNegotiation: { mode: "auto" },
  });
  const transport = new TransportV2(new URL(stack.endpoint(server)), init(token));
  await client.connect(transport);
  return { client, transport };
}

function init(token: string) {
  return { requestInit: { headers: { authorization: `Bearer ${token}` } } };
}
