import { resolve } from "node:path";
import type { RelayRoad } from "@sallyport/bus";
import { httpProxy, proxyOf } from "@sallyport/zone";

/** How a command of an operator reaches the relay, as its line says it: what a zone has as settings. */
export interface RoadFlags {
  ca?: string | undefined;
  proxy?: string | undefined;
  proxyCredentials?: string | undefined;
}

/** Checked as a zone's settings are. Throws with the name of the flag. */
export function roadFrom({ ca, proxy, proxyCredentials }: RoadFlags): RelayRoad {
  const caFile = ca === undefined ? {} : { caFile: resolve(ca) };
  if (proxy === undefined) {
    if (proxyCredentials === undefined) return caFile;
    throw new Error("--proxy-credentials is the login of a proxy: name it with --proxy");
  }
  const credentials = proxyCredentials === undefined ? {} : { credentials: resolve(proxyCredentials) };
  const parsed = httpProxy.safeParse({ url: proxy, ...credentials });
  if (parsed.success) return { ...caFile, proxy: proxyOf(parsed.data) };
  const [issue] = parsed.error.issues;
  const what = issue?.message ?? "";
  const wanted = what.includes("expected") ? what : `expected ${what}`;
  throw new Error(inFlags(`nats.proxy.${issue?.path.join(".")}: ${wanted}`));
}

const flags = {
  "nats.proxy.credentials": "--proxy-credentials",
  "nats.proxy.url": "--proxy",
  "nats.servers": "--server",
  "nats.caFile": "--ca",
  "nats.creds": "--creds",
};

/** The bus names the settings of a zone. Who typed flags is told of those. */
export function inFlags(message: string): string {
  return Object.entries(flags).reduce((text, [setting, flag]) => text.replaceAll(setting, flag), message);
}
