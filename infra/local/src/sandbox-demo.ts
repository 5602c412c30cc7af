import { randomBytes } from "node:crypto";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import type { DemoAnswer } from "./demo.ts";
import type { Stack } from "./stack.ts";

interface Step {
  says: string;
  command: string;
  /** What the demo must see, or it has failed. */
  shows: RegExp;
}

/** What a sandbox may and may not do, as an agent in it would find out. */
const steps: readonly Step[] = [
  {
    says: "code runs",
    command: "python3 -c 'print(sum(n * n for n in range(10)))' || perl -e 'print 285'",
    shows: /285/,
  },
  {
    says: "the orders API answers to a placeholder",
    command: 'curl -sS -H "Authorization: Bearer $ORDERS_TOKEN" "$ORDERS_URL/A-1001"',
    shows: /Ada Lovelace/,
  },
  {
    says: "the placeholder goes nowhere else",
    command: 'curl -sS -H "Authorization: Bearer $ORDERS_TOKEN" "$ELSEWHERE_URL/A-1001"; true',
    shows: /placeholder/,
  },
  {
    says: "nothing inside holds the token",
    command:
      "cat /proc/*/environ 2>/dev/null | tr '\\0' '\\n' | grep -i -e token -e secret -e vault | sort -u",
    shows: /^ORDERS_TOKEN=sbx_[A-Za-z0-9]{32}$/,
  },
];

/** One session in a sandbox, with the official MCP client; all of it is one trace. */
export async function runSandboxDemo(stack: Stack): Promise<DemoAnswer> {
  const traceId = randomBytes(16).toString("hex");
  const traceparent = `00-${traceId}-${randomBytes(8).toString("hex")}-01`;
  const server = "sandbox";
  const client = new Client({ name: "sallyport-demo", version: "1" });
  const token = await stack.token(server);
  const transport = new StreamableHTTPClientTransport(new URL(stack.endpoint(server)), {
    requestInit: { headers: { authorization: `Bearer ${token}`, traceparent } },
  });
  await client.connect(transport);
  const lines: string[] = [];
  let sandbox: string | undefined;
  try {
    for (const { says, command, shows } of steps) {
      const result = await client.callTool({
        name: "bash",
        arguments: { command, ...(sandbox === undefined ? {} : { sandbox }) },
      });
      const texts = (result.content as { type: string; text?: string }[]).map((part) => part.text ?? "");
      sandbox ??= handleIn(texts);
      const text = (texts[0] ?? "").trim();
      if (!shows.test(text)) throw new Error(`${server}: ${command}\n${text}`);
      lines.push(`${says}: ${text.split("\n").join(" ").slice(0, 160)}`);
    }
  } finally {
    await transport.terminateSession?.().catch(() => undefined);
    await client.close();
  }
  return { server, call: `bash, ${steps.length} commands in one sandbox`, lines, traceId };
}

/** On the wire without sessions the first result names the sandbox. */
function handleIn(texts: readonly string[]): string | undefined {
  return texts.map((text) => /^sandbox: (\S+)$/.exec(text)?.[1]).find((handle) => handle !== undefined);
}
