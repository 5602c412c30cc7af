import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { passes, runSuite, SUITE_2025_11_25, SUITE_2026_07_28 } from "./suite.ts";

let close: (() => void) | undefined;
afterEach(() => close?.());

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  close = () => {
    server.close();
    server.closeAllConnections();
  };
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`;
}

describe("the suite", () => {
  it.each([
    { suite: SUITE_2025_11_25, demanded: 30 },
    { suite: SUITE_2026_07_28, demanded: 37 },
  ])("of $suite.name fails a server that speaks no MCP", async ({ suite, demanded }) => {
    const url = await serve((_req, res) => void res.writeHead(418).end());
    const verdicts = await runSuite(suite, url);
    const scored = verdicts.filter((verdict) => verdict.scored);
    expect(scored).toHaveLength(demanded);
    // A server that refuses everything does refuse a foreign Host, among other things.
    expect(scored.filter(passes).length).toBeLessThan(5);
  });

  it("gives up on a server that never answers", async () => {
    const url = await serve(() => {});
    await expect(runSuite(SUITE_2025_11_25, url, 1500)).rejects.toThrow(/abort/);
  });
});
