import { readRelayAddress, relayAddressProblem } from "@sallyport/bus";
import { filePath, secretFile } from "@sallyport/runtime";
import { z } from "zod";

const Server = z
  .string()
  .min(1)
  .max(2048)
  .superRefine((url, context) => {
    const problem = relayAddressProblem(url);
    if (problem !== undefined) context.addIssue(notRepeated(url, problem));
  });

const ProxyUrl = z
  .string()
  .min(1)
  .max(2048)
  .superRefine((text, context) => {
    const url = URL.canParse(text) ? new URL(text) : undefined;
    if (url?.username || url?.password) {
      context.addIssue(
        notRepeated(text, "a URL without a login: put user:password into nats.proxy.credentials"),
      );
    } else if (
      url === undefined ||
      !/^https?:$/.test(url.protocol) ||
      `${url.pathname}${url.search}${url.hash}` !== "/"
    ) {
      context.addIssue(notRepeated(text, "a URL like http://proxy.example.com:3128, without a path"));
    }
  });

/** A URL with a login in it is not shown again: it may hold a password, in whatever form. */
function notRepeated(url: string, message: string) {
  return url.includes("@")
    ? { code: "custom" as const, message: `expected ${message}`, params: { secret: true }, input: undefined }
    : { code: "custom" as const, message };
}

/** The HTTP proxy that this zone has to go through. The environment's HTTPS_PROXY is not read: nobody reviewed it. */
export const httpProxy = z.strictObject({
  url: ProxyUrl,
  /** `user:password`, sent as Basic. Read again for each connection. */
  credentials: secretFile().optional(),
  /** PEM of the only authority that counts for an https:// proxy. */
  caFile: filePath().optional(),
});

/** How a zone reaches the relay, and as whom. */
export const natsSettings = z
  .strictObject({
    /** Those of one scheme are alike; another scheme is tried when they do not answer. */
    servers: z.array(Server).min(1).max(16),
    creds: secretFile(),
    /** PEM of the only authority that counts for the relay; the system's without it. */
    caFile: filePath().optional(),
    /** The relay has `handshake_first`: TLS begins before it says anything. */
    tlsFirst: z.boolean().default(false),
    proxy: httpProxy.optional(),
  })
  .superRefine(({ servers, caFile, tlsFirst, proxy }, context) => {
    const addresses = servers.map(readRelayAddress).flatMap((one) => ("problem" in one ? [] : [one]));
    const clear = addresses.find((one) => !one.tls);
    const say = (setting: string, message: string) =>
      context.addIssue({ code: "custom", message, path: [setting], input: clear?.url });
    if (clear !== undefined && proxy !== undefined)
      say("proxy", "tls:// and wss:// servers alone behind a proxy");
    if (clear !== undefined && caFile !== undefined)
      say("caFile", "tls:// and wss:// servers alone with a caFile");
    if (tlsFirst && !addresses.some((one) => one.tls && !one.websocket))
      say("tlsFirst", "a tls:// server with it");
  });
export type NatsSettings = z.output<typeof natsSettings>;

/** The same in the words of the bus, which knows no settings. */
export function roadOf({ caFile, tlsFirst, proxy }: Pick<NatsSettings, "caFile" | "tlsFirst" | "proxy">) {
  return proxy === undefined ? { caFile, tlsFirst } : { caFile, tlsFirst, proxy: proxyOf(proxy) };
}

export function proxyOf({ url, credentials, caFile }: z.output<typeof httpProxy>) {
  const login = credentials && (async () => (await credentials.read()).revealText());
  return { url, caFile, login };
}
