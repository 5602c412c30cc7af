import { connect, credsAuthenticator, type NatsConnection } from "@nats-io/transport-node";
import type { Stack } from "@sallyport/infra-local";

type Permissions = Parameters<Stack["material"]["trust"]["sign"]>[1];

/** A NATS user of the zones' own account with any permissions: what only the holder of the account's key can make. */
export async function natsUser(
  stack: Stack,
  name: string,
  permissions: Permissions,
): Promise<NatsConnection> {
  return await connect({
    servers: [stack.nats.url],
    authenticator: credsAuthenticator(await stack.material.trust.sign(name, permissions)),
  });
}
