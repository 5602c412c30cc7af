/** What agents call for a server, which is also the resource of their tokens. */
export function endpointOf(edgeUrl: string, server: string): string {
  return `${edgeUrl}/mcp/${server}`;
}
