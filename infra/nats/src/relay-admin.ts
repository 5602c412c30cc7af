import type { NatsConnection, RequestManyOptions } from "@nats-io/nats-core";
import { type RelayRoad, visitRelay } from "@sallyport/bus";
import { z } from "zod";
import { connectionsOf, pingServers, relayOperatorInbox, updateClaims } from "./relay-operator.ts";

export interface RelayAdminOptions extends RelayRoad {
  servers: readonly string[];
  /** The relay operator's creds file, as bytes. */
  creds: Uint8Array;
}

/** What one server of the relay said to an account's new JWT. */
export interface PushedTo {
  server: string;
  /** Why it did not take it; undefined where it did. */
  problem: string | undefined;
}

/** A connection of one user, as a server has it. */
export interface LiveUser {
  /** `U…` */
  publicKey: string;
  server: string;
  /** How it called itself. */
  name: string;
}

/** The relay as its operator sees it: accounts go in, and who is connected comes out. Never a message of a tenant. */
export interface RelayAdmin {
  /** Hands an account's JWT to every server that is there, and tells what each said. One that says nothing is a problem. */
  push(accountJwt: string): Promise<readonly PushedTo[]>;
  /** Who is connected in an account, on all servers. */
  connected(account: string): Promise<readonly LiveUser[]>;
  close(): Promise<void>;
}

/** Servers answer a question for this long after the last one spoke. */
const stallMs = 400;
const patienceMs = 3_000;
const maxConnections = 4096;

const ServerInfo = z.object({ server: z.object({ id: z.string(), name: z.string() }) });
const Taken = ServerInfo.extend({
  data: z.object({ code: z.number() }).optional(),
  error: z.object({ code: z.number(), description: z.string().optional() }).optional(),
});
const Connections = ServerInfo.extend({
  data: z
    .object({
      total: z.number(),
      connections: z
        .array(z.object({ authorized_user: z.string().optional(), name: z.string().optional() }))
        .nullable(),
    })
    .optional(),
});

/** Connects as the one user of the system account. Throws what `visitRelay` throws. */
export async function connectRelayAdmin(options: RelayAdminOptions): Promise<RelayAdmin> {
  const nats = await visitRelay({ ...options, name: "relay operator", inboxPrefix: relayOperatorInbox });
  return {
    push: (jwt) => push(nats, jwt),
    connected: (account) => connected(nats, account),
    close: () => nats.close(),
  };
}

async function push(nats: NatsConnection, jwt: string): Promise<readonly PushedTo[]> {
  const there = await answers(nats, pingServers, { schema: ServerInfo });
  const said = await answers(nats, updateClaims, { schema: Taken, body: jwt, expect: there.length });
  return there.map(({ server }): PushedTo => {
    const answer = said.find((one) => one.server.id === server.id);
    if (answer === undefined) return { server: server.name, problem: "it did not answer" };
    return {
      server: server.name,
      problem: answer.error && (answer.error.description ?? `code ${answer.error.code}`),
    };
  });
}

async function connected(nats: NatsConnection, account: string): Promise<readonly LiveUser[]> {
  const body = JSON.stringify({ auth: true, limit: maxConnections });
  const said = await answers(nats, connectionsOf(account), { schema: Connections, body });
  return said.flatMap(({ server, data }) =>
    (data?.connections ?? []).flatMap(({ authorized_user: publicKey, name = "" }): LiveUser[] =>
      publicKey === undefined ? [] : [{ publicKey, server: server.name, name }],
    ),
  );
}

async function answers<T>(
  nats: NatsConnection,
  subject: string,
  { schema, body = "", expect }: { schema: z.ZodType<T>; body?: string; expect?: number },
): Promise<T[]> {
  const how: Partial<RequestManyOptions> =
    expect === undefined
      ? { strategy: "stall", stall: stallMs, maxWait: patienceMs }
      : { strategy: "count", maxMessages: expect, maxWait: patienceMs };
  const found: T[] = [];
  for await (const message of await nats.requestMany(subject, body, how))
    found.push(schema.parse(message.json()));
  return found;
}
