import { createPrivateKey, type KeyObject } from "node:crypto";
import { readFileSync } from "node:fs";
import { type Bus, connectBus, Link, openRoad, type Road } from "@sallyport/bus";
import {
  decodeRoadMessage,
  encodeRecord,
  encodeRoadMessage,
  exchangeRoad,
  recordHeadroomBytes,
  type ServiceError,
  type ZoneInstance,
} from "@sallyport/contracts";
import { type GrantFacts, signGrant, tokenHash } from "@sallyport/grant";
import type { Stack } from "@sallyport/infra-local";
import { type Initiation, initiate } from "@sallyport/seal";

/** A connection with the credentials of a zone's own instance: what an attacker has who took it over. */
export async function joinAs(stack: Stack, who: ZoneInstance): Promise<{ bus: Bus; refusals: string[] }> {
  const creds = stack.material.path(`nats/${who.zone}-${who.instance}.creds`);
  /** What NATS itself says about what was tried. */
  const refusals: string[] = [];
  const log = {
    info: () => undefined,
    warn: () => undefined,
    error: (fields: object) => {
      refusals.push(JSON.stringify(fields));
    },
  };
  const bus = await connectBus({ servers: [stack.nats.url], who, credentials: { creds }, log });
  return { bus, refusals };
}

/** What became of a call: an answer, or the error of the exchange. */
export type Outcome = { status: number; body: string; ended: boolean } | { error: ServiceError };

/** A seal session that the attacker opened in the edge's name, and all that may be said on it. */
export interface TakenSession {
  id: string;
  link: Link;
  /** Shows a grant with a token (or whatever is said to be one) and at once calls a tool under it. */
  show(handle: number, shown: { grant: string; token?: string }): void;
  call(handle: number, server: string, tool?: { name: string; arguments: object }): Promise<Outcome>;
  /** The connector's refusals, by handle. */
  refused: Map<number, string>;
}

/** The edge, taken over: its key, its NATS user, its enrolments; everything but agents' tokens. */
export class TakenEdge {
  readonly name = "edge-1";
  readonly key: KeyObject;
  readonly bus: Bus;
  readonly refusals: string[];
  readonly #stack: Stack;
  readonly #road: Road;
  readonly #links = new Map<string, Link>();
  #welcome: ((reply: Uint8Array) => void) | undefined;

  private constructor(stack: Stack, { bus, refusals }: { bus: Bus; refusals: string[] }) {
    this.#stack = stack;
    this.bus = bus;
    this.refusals = refusals;
    this.key = createPrivateKey(readFileSync(stack.material.path("edges/edge-1.key.pem")));
    this.#road = openRoad(bus, exchangeRoad, {
      message: (_connector, bytes) => {
        const message = decodeRoadMessage(bytes);
        if (message?.kind === "welcome") this.#welcome?.(message.bytes);
        if (message?.kind === "record") this.#links.get(message.session)?.receive(message.bytes);
      },
    });
  }

  static async of(stack: Stack): Promise<TakenEdge> {
    return new TakenEdge(stack, await joinAs(stack, { zone: "edge", instance: "edge-1" }));
  }

  async open(connector: string): Promise<TakenSession> {
    const { publicKey } = JSON.parse(
      readFileSync(this.#stack.material.path(`enrolments/${connector}.json`), "utf8"),
    ) as { publicKey: string };
    const hello: Initiation = await initiate({
      recipient: publicKey,
      edge: this.name,
      connector,
      signingKey: this.key,
      now: new Date(),
    });
    const { promise, resolve } = Promise.withResolvers<Uint8Array>();
    this.#welcome = resolve;
    this.#road.send(connector, encodeRoadMessage({ kind: "hello", bytes: hello.hello }));
    const session = await hello.finish(await promise);
    const refused = new Map<number, string>();
    const link = new Link({
      cipher: {
        seal: (parts) => encodeRecord(session.id, session.seal(parts, recordHeadroomBytes)),
        open: (record) => session.open(record),
      },
      send: (message) => this.#road.send(connector, message),
      control: (message) => {
        const { type, handle, code } = message as { type: string; handle: number; code?: string };
        if (type === "refused") refused.set(handle, code ?? "");
      },
      dead: () => this.#links.delete(session.id),
    });
    this.#links.set(session.id, link);
    return {
      id: session.id,
      link,
      refused,
      show: (handle, shown) => link.control({ type: "grant", handle, ...shown }),
      call: (handle, server, tool = { name: "plain", arguments: { text: "it was let in" } }) =>
        callOn(link, { handle, server, tool }),
    };
  }

  /** A grant as this edge can sign it: about anybody and anything. */
  async grant(
    token: string,
    at: { session: string; connector?: string; server?: string },
    changes: Partial<GrantFacts> = {},
    key: KeyObject = this.key,
  ): Promise<string> {
    const claims = JSON.parse(Buffer.from(token.split(".")[1] ?? "", "base64url").toString()) as {
      client_id: string;
      sub: string;
    };
    const now = new Date();
    const facts: GrantFacts = {
      id: crypto.randomUUID(),
      edge: this.name,
      tenant: "local",
      agent: claims.client_id,
      ...(claims.sub === claims.client_id ? {} : { user: claims.sub }),
      server: at.server ?? "orders",
      scopes: [`mcp:${at.server ?? "orders"}`],
      tokenHash: tokenHash(token),
      tokenIssuer: this.#stack.issuerUrl,
      connector: at.connector ?? "connector-1",
      session: at.session,
      issuedAt: now,
      expiresAt: new Date(now.getTime() + 60_000),
      ...changes,
    };
    return signGrant(facts, { key, keyId: facts.edge });
  }

  async close(): Promise<void> {
    for (const link of this.#links.values()) link.close(over);
    await this.bus.close();
  }
}

const over = { code: "unavailable", message: "the test is over" } as ServiceError;

function callOn(
  link: Link,
  { handle, server, tool }: { handle: number; server: string; tool: { name: string; arguments: object } },
): Promise<Outcome> {
  const { promise, resolve } = Promise.withResolvers<Outcome>();
  let status = 0;
  let body = "";
  const headers = [
    ["content-type", "application/json"],
    ["accept", "application/json, text/event-stream"],
    ["mcp-protocol-version", "2025-11-25"],
  ];
  const exchange = link.open(
    {
      head: { grant: handle, server, method: "POST", headers, deadlineMs: 8_000 },
      body: Buffer.from(JSON.stringify({ jsonrpc: "2.0", id: 1, method: "tools/call", params: tool })),
      deadlineMs: 8_000,
    },
    {
      head: (head) => {
        ({ status } = head as { status: number });
      },
      data: (chunk) => {
        body += Buffer.from(chunk).toString();
        exchange.consumed(chunk.length);
      },
      end: () => resolve({ status, body, ended: true }),
      fail: (error) => resolve({ error }),
    },
  );
  return promise;
}
