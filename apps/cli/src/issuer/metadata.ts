import { z } from "zod";
import { CommandFailure } from "../command-failure.ts";
import { type Answer, askJson } from "../http/ask-json.ts";

/** What is used of RFC 8414 section 2. */
const IssuerMetadata = z.object({
  issuer: z.string().max(1000),
  token_endpoint: z.url({ protocol: /^https?$/ }).max(1000),
  jwks_uri: z.url({ protocol: /^https?$/ }).max(1000),
});
export type IssuerMetadata = z.output<typeof IssuerMetadata>;

/** Where a metadata document may be: RFC 8414 section 3.1, then OpenID Connect Discovery section 4. */
export function metadataUrls(issuer: string): string[] {
  const { origin, pathname } = new URL(issuer);
  const path = pathname.replace(/\/$/, "");
  return [
    `${origin}/.well-known/oauth-authorization-server${path}`,
    `${origin}${path}/.well-known/openid-configuration`,
  ];
}

/** The issuer's metadata, which must say that it is this issuer (RFC 8414 section 3.3). */
export async function issuerMetadata(issuer: string): Promise<{ metadata: IssuerMetadata; answer: Answer }> {
  let status = 0;
  for (const url of metadataUrls(issuer)) {
    const answer = await askJson(url, { setting: "issuer.url" });
    status = answer.status;
    if (status !== 200) continue;
    const metadata = IssuerMetadata.safeParse(answer.body);
    if (!metadata.success) throw mistaken(`${url} is not the metadata of an OAuth issuer`);
    const problem = metadataProblem(issuer, metadata.data);
    if (problem !== undefined) throw mistaken(`${url} ${problem}`);
    return { metadata: metadata.data, answer };
  }
  throw mistaken(`${issuer} has no metadata document (status ${status})`);
}

/** Pure: why this document cannot be that of the issuer, or undefined. */
export function metadataProblem(issuer: string, metadata: IssuerMetadata): string | undefined {
  const { issuer: said, token_endpoint, jwks_uri } = metadata;
  if (said !== issuer) return `says that it is the issuer ${said}, not ${issuer}`;
  if (!issuer.startsWith("https:")) return undefined;
  // A downgrade in the metadata would put the client's secret, or the keys that tokens are believed by, on the wire.
  const clear = [token_endpoint, jwks_uri].find((url) => !url.startsWith("https:"));
  return clear === undefined ? undefined : `names an address without TLS: ${clear}`;
}

function mistaken(what: string): CommandFailure {
  const fix = "set issuer.url to the issuer identifier, exactly as the issuer writes it";
  return new CommandFailure("config", what, { setting: "issuer.url", fix });
}
