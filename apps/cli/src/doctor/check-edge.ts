import { z } from "zod";
import { endpointOf } from "../endpoint.ts";
import { askJson } from "../http/ask-json.ts";
import { type Check, checkThat, failed, ok } from "./check.ts";

/** What is used of RFC 9728 section 2. */
const ResourceMetadata = z.object({
  resource: z.string().max(2000),
  authorization_servers: z.array(z.string().max(1000)).max(32),
});

/** The metadata is the same for every server, known or not. */
const server = "doctor";

/** The edge's own account of a server: an agent follows it to its issuer, so a wrong one locks every agent out. */
export function checkEdge(edge: string, issuer: string | undefined): Promise<Check[]> {
  const url = `${edge}/.well-known/oauth-protected-resource/mcp/${server}`;
  const publicUrl = "set edge.url here and publicUrl of the edge to the address that agents call";
  const look = async (): Promise<Check[]> => {
    const { status, body } = await askJson(url, { setting: "edge.url" });
    const metadata = ResourceMetadata.safeParse(body);
    if (status !== 200 || !metadata.success) {
      return [failed("edge", `${url} is no resource metadata (status ${status})`, publicUrl)];
    }
    const { resource, authorization_servers } = metadata.data;
    if (resource !== endpointOf(edge, server)) {
      return [failed("edge", `it calls the server ${resource}, not ${endpointOf(edge, server)}`, publicUrl)];
    }
    if (issuer !== undefined && !authorization_servers.includes(issuer)) {
      const what = `it sends agents to ${authorization_servers.join(", ") || "no issuer"}, not to ${issuer}`;
      return [failed("edge", what, "make issuer.url here and tokens.issuer of the edge the same")];
    }
    return [ok("edge", `${edge} answers and names its issuer`)];
  };
  return checkThat("edge", look, "start apps/edge, or correct edge.url");
}
