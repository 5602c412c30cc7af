import { readFileSync } from "node:fs";
import { Agent, fetch as fetchThrough } from "undici";
import { jwksFromFile } from "./jwks-file.ts";
import { jwksFromUrl } from "./jwks-url.ts";
import type { KeySource } from "./key-source.ts";

/** The issuer's keys as a zone's settings have them: from a URL, or else from a file. `failed` hears why a fetch did. */
export function issuerKeys(
  from: {
    jwksUrl?: string | undefined;
    jwksFile?: string | undefined;
    /** PEM of the only authority that counts for the URL. */
    caFile?: string | undefined;
  },
  failed: (fault: unknown) => void,
): KeySource {
  const { jwksUrl, jwksFile, caFile } = from;
  if (jwksUrl === undefined) return jwksFromFile(jwksFile as string);
  return jwksFromUrl(jwksUrl, { failed, ...(caFile === undefined ? {} : { fetch: fetchTrusting(caFile) }) });
}

function fetchTrusting(caFile: string): typeof fetch {
  const dispatcher = new Agent({ connect: { ca: readFileSync(caFile, "utf8") }, connections: 1 });
  // The types of the package and of the global that is made of it are two names for one thing.
  return ((url: URL, init: object) => fetchThrough(url, { ...init, dispatcher })) as unknown as typeof fetch;
}
