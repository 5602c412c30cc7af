import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { Provider } from "oidc-provider";
import { interact } from "./interaction.ts";
import { type ProviderOptions, providerConfig } from "./provider-config.ts";
import { createSigningKeys } from "./signing-keys.ts";

type Needed = "resources" | "clients";

export interface IssuerOptions extends Pick<ProviderOptions, Needed>, Partial<Omit<ProviderOptions, Needed>> {
  /** Of 127.0.0.1; picked by the system unless told. */
  readonly port?: number;
}

export interface Issuer {
  /** The issuer identifier, e.g. `http://127.0.0.1:41007`; metadata is below it (RFC 8414). */
  readonly url: string;
  stop(): Promise<void>;
}

/** Start the authorization server on 127.0.0.1. */
export async function createIssuer(options: IssuerOptions): Promise<Issuer> {
  const server = createServer();
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(options.port ?? 0, "127.0.0.1", resolve);
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the issuer has no port");
  const host = `127.0.0.1:${address.port}`;

  const settled: ProviderOptions = {
    accessTokenTtlSeconds: 300,
    signingAlgorithm: "ES256",
    demoUser: "demo@example.com",
    metadataDocumentHosts: [],
    ...options,
    keys: options.keys ?? createSigningKeys(),
  };
  const provider = new Provider(`http://${host}`, providerConfig(settled));
  provider.on("server_error", (_ctx, error) => console.error(error));
  server.on("request", answer(provider, { host, demoUser: settled.demoUser }));
  return {
    url: `http://${host}`,
    stop: async () => {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

function answer(provider: Provider, { host, demoUser }: { host: string; demoUser: string }) {
  const callback = provider.callback();
  return (request: IncomingMessage, response: ServerResponse): void => {
    // Another name for this address is how a web page would reach it (DNS rebinding).
    if (request.headers.host !== host) {
      response.writeHead(421, { "content-type": "text/plain" }).end(`this issuer is http://${host}\n`);
    } else if (request.url?.startsWith("/interaction/")) {
      interact(provider, request, { response, demoUser }).catch(() => {
        if (!response.headersSent) response.writeHead(400, { "content-type": "text/plain" });
        response.end("this sign-in has ended; start again from the client\n");
      });
    } else {
      void callback(request, response);
    }
  };
}
