import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { type IncomingMessage, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { compilePolicies } from "@sallyport/policy";
import { type Binding, openEgress, placeholderValue } from "@sallyport/sandbox-egress";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { blocksOf, readPage } from "./pages.ts";

const page = readPage("docs/guides/give-a-sandbox-a-credential.md");
const blocks = (language: string) =>
  blocksOf(page.text).flatMap((block) => (block.language === language ? [block.text] : []));

type Shown = Omit<Binding, "scheme" | "location"> & { place: Binding["location"] };
interface Pools {
  pools: { sandbox: { egress: { credentials: { CRM_TOKEN: { credential: string; bindings: Shown[] } } } } };
}

/** The placeholder that the guide gives a sandbox. */
function guidesPlaceholder() {
  const pools = blocks("yaml").find((block) => block.startsWith("pools:")) ?? "";
  const { credential, bindings } = (parse(pools) as Pools).pools.sandbox.egress.credentials.CRM_TOKEN;
  return {
    ...{ credential, value: placeholderValue() },
    bindings: bindings.map(({ place, ...at }): Binding => ({ ...at, scheme: "https", location: place })),
  };
}

test("a placeholder that goes elsewhere is refused in the words of the guide", async () => {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-refusal-"));
  const socketPath = join(folder, "egress.sock");
  const placeholder = guidesPlaceholder();
  const everywhere = '@id("all") permit(principal, action == Action::"http/request", resource);';
  const never = () => Promise.reject(new Error("nothing is leased for it, and nothing is resolved"));
  const limits = { connections: 4, headerBytes: 32_768, headTimeoutMs: 5_000, connectTimeoutMs: 5_000 };
  const proxy = await openEgress(
    {
      ...{ sandbox: "s", socketPath, identity: { agent: "build-bot", user: undefined } },
      policy: compilePolicies([{ name: "p", text: everywhere }]).http,
      placeholders: [placeholder],
    },
    {
      ...{ record: async () => {}, lease: never, resolver: never, addresses: new Map() },
      ...{ upstreamCa: undefined, limits: { ...limits, idleMs: 5_000, totalMs: 10_000 } },
    },
  );
  try {
    const headers = { host: "elsewhere.internal", authorization: `Bearer ${placeholder.value}` };
    const asked = request({ socketPath, path: "http://elsewhere.internal/v1", headers }).end();
    const [answer] = (await once(asked, "response")) as [IncomingMessage];
    const said = `HTTP/1.1 ${answer.statusCode} ${answer.statusMessage}\n${await text(answer)}`;
    expect(blocks("text")).toContain(said);
    expect(answer.headers["x-sallyport-denied"]).toBe("placeholder");
  } finally {
    await proxy.close();
    rmSync(folder, { recursive: true });
  }
});
