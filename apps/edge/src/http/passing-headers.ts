/**
 * The agent's headers that go on to the connector, which has an allowlist of its own for the upstream. The token is not
 * among them, nor anything that says where the agent is.
 */
const passing = /^(?:accept|accept-language|content-type|last-event-id|mcp-.{1,100})$/;

export function passingHeaders(rawHeaders: readonly string[]): [string, string][] {
  const kept: [string, string][] = [];
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = (rawHeaders[at] as string).toLowerCase();
    if (passing.test(name)) kept.push([name, rawHeaders[at + 1] as string]);
  }
  return kept;
}
