import { createServer } from "node:https";
import { type Door, listening, openDoor, permitPorts } from "./egress.fixture.ts";
import { placeholderValue } from "./placeholders.ts";
import { selfSigned } from "./tls.fixture.ts";

export const bearerToken = "the-real-token-0123456789";

export interface BearerDoor extends AsyncDisposable {
  readonly door: Door;
  /** Of the server, by a name that is nowhere but in the door's configuration. */
  readonly url: string;
  /** What a client sends as its bearer token. */
  readonly placeholder: string;
  /** The `Authorization` of each request that the server got. */
  readonly seen: (string | undefined)[];
}

/** A server over TLS that says `fine`, and a door that ends its TLS to place a bearer token. */
export async function openBearerDoor(): Promise<BearerDoor> {
  const tls = await selfSigned("api.test");
  const seen: (string | undefined)[] = [];
  const upstream = await listening(
    createServer(tls, (request, response) => {
      seen.push(request.headers.authorization);
      response.end("fine\n");
    }),
  );
  const { port } = upstream;
  const placeholder = placeholderValue();
  const location = { in: "header", name: "Authorization", prefix: "Bearer " } as const;
  const at = { scheme: "https", host: "api.test", port, pathPrefix: "/" } as const;
  const door = await openDoor(
    {
      policy: permitPorts(port),
      placeholders: [{ value: placeholder, credential: "api-token", bindings: [{ ...at, location }] }],
    },
    {
      addresses: new Map([[`api.test:${port}`, "127.0.0.1"]]),
      upstreamCa: tls.cert,
      lease: () => Promise.resolve({ value: Buffer.from(bearerToken) }),
    },
  );
  return {
    ...{ door, placeholder, seen, url: `https://api.test:${port}/x` },
    async [Symbol.asyncDispose]() {
      await door[Symbol.asyncDispose]();
      await upstream[Symbol.asyncDispose]();
    },
  };
}
