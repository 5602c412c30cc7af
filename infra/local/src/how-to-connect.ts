import pc from "picocolors";

/** Lines to paste, for the clients that people have. */
export function howToConnect(endpoint: string): string {
  const token = "TOKEN=$(npx pnpm@12 -s sallyport token --server orders)";
  return [
    `${pc.bold("Endpoint")}     ${endpoint}`,
    `${pc.bold("A token")}      ${token}`,
    `${pc.bold("Claude Code")}  claude mcp add --transport http orders ${endpoint} --header "Authorization: Bearer $TOKEN"`,
    `${pc.bold("Inspector")}    npx @modelcontextprotocol/inspector --cli ${endpoint} --transport http --header "Authorization: Bearer $TOKEN" --method tools/list`,
    `${pc.bold("Messages")}     "mcp_servers": [{"type": "url", "name": "orders", "url": "https://YOUR-EDGE/mcp/orders", "authorization_token": "…"}]`,
    `             ${pc.dim("(the API calls from outside: give the edge a public name and TLS, see docs/guides)")}`,
    `${pc.bold("SDK")}          new StreamableHTTPClientTransport(new URL("${endpoint}"), { requestInit: { headers: { authorization: \`Bearer \${TOKEN}\` } } })`,
    `${pc.bold("Agent")}        npx pnpm@12 --filter @sallyport/example-agent start`,
  ].join("\n");
}
