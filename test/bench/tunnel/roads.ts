import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Stack, startStack } from "@sallyport/infra-local";
import { type Server, startNats, startServer } from "@sallyport/testkit";
import type { Target } from "./load.ts";

/** A way to the upstream, and the processes that its calls cost CPU in. */
export interface Road {
  name: string;
  target(): Promise<Target>;
  processes: Record<string, number>;
}

const token = "bench-token-that-nobody-may-see-0123456789";

const policies = `
@id("connect") permit(principal, action in Action::"connect", resource in Server::"bench");
@id("call") permit(principal, action == Action::"tools/call", resource in Server::"bench");
@id("no-huge-answers") @reason("larger than the bench asks for")
forbid(principal, action == Action::"tools/call", resource == Tool::"bench/echo")
when { context.arguments has size && context.arguments.size > 1000000 };
${Array.from({ length: 7 }, (_, at) => `@id("other-${at}") forbid(principal == Agent::"other-${at}", action == Action::"tools/call", resource in Server::"bench");`).join("\n")}
`;

interface SallyportOptions {
  profile?: string | undefined;
  syncAudit: boolean;
  sampleRatio: number;
  /** One unless told. */
  connectors?: number;
  progress(step: string): void;
}

/** A folder, what is started in it, and how all of it goes again. */
async function openBench() {
  const folder = await mkdtemp(join(tmpdir(), "sallyport-bench-"));
  const stops: (() => Promise<void>)[] = [];
  const keep = <T extends { stop(): Promise<void> }>(one: T): T => {
    stops.push(() => one.stop());
    return one;
  };
  const script = async (name: string, file: string, args: string[]) => {
    let url = "";
    const server = keep(
      await startServer({
        name,
        command: process.execPath,
        args: [join(import.meta.dirname, file), ...args],
        folder,
        temporary: false,
        ready: async () => {
          url = /"url":"([^"]+)"/.exec(await readFile(join(folder, `${name}.log`), "utf8"))?.[1] ?? "";
          return url === "" ? undefined : true;
        },
      }),
    );
    return { server, url };
  };
  const close = async () => {
    for (const stop of stops.splice(0).reverse()) await stop();
    await rm(folder, { recursive: true, force: true });
  };
  return { folder, keep, script, close };
}

type Bench = Awaited<ReturnType<typeof openBench>>;

/** Every zone with every guard on, before a server behind a token. */
async function startSallyport({ folder, keep, script }: Bench, options: SallyportOptions) {
  const guarded = await script("upstream", "upstream-main.ts", [token]);
  options.progress("Sallyport");
  const stack = keep(
    await startStack({
      dir: join(folder, "stack"),
      built: true,
      syncAudit: options.syncAudit,
      sampleRatio: options.sampleRatio,
      connectors: Array.from({ length: options.connectors ?? 1 }, (_, at) => `connector-${at + 1}`),
      ...(options.profile ? { nodeArgs: ["--cpu-prof", `--cpu-prof-dir=${options.profile}`] } : {}),
      secrets: { "sallyport/bench": { token } },
      servers: () => ({
        bench: {
          url: guarded.url,
          credential: {
            name: "bench-api",
            place: { in: "header", name: "authorization", prefix: "Bearer " },
          },
        },
      }),
      credentials: { "bench-api": { kind: "kv", path: "sallyport/bench", field: "token" } },
      leaseRules: [
        { id: "bench", credential: "bench-api", servers: ["bench"], agents: "*", maxTtlSeconds: 3600 },
      ],
      policies: { "bench.cedar": policies },
    }),
  );
  /** With a token of its own each time. */
  const target = async (): Promise<Target> => ({
    url: stack.endpoint("bench"),
    headers: { authorization: `Bearer ${await stack.token("bench")}` },
  });
  return { stack, target };
}

export async function openSallyport(options: SallyportOptions) {
  const bench = await openBench();
  try {
    return { ...(await startSallyport(bench, options)), close: bench.close };
  } catch (error) {
    await bench.close();
    throw error;
  }
}

/** Direct, a bare relay, and Sallyport with every guard on, all up at once so that rounds can be interleaved. */
export async function openRoads(options: SallyportOptions) {
  const bench = await openBench();
  const { keep, script } = bench;
  options.progress("upstream and bare relay");
  const bare = await script("bare-upstream", "upstream-main.ts", [""]);
  const relayNats = keep(await startNats({ jetstream: false }));
  const relayConnector = await script("relay-connector", "relay-main.ts", [
    "connector",
    relayNats.url,
    bare.url,
  ]);
  const relayEdge = await script("relay-edge", "relay-main.ts", ["edge", relayNats.url]);
  const { stack, target } = await startSallyport(bench, options);
  const roads: Road[] = [
    { name: "direct", target: async () => ({ url: bare.url, headers: {} }), processes: {} },
    {
      name: "bare relay",
      target: async () => ({ url: relayEdge.url, headers: {} }),
      processes: pids({ edge: relayEdge.server, connector: relayConnector.server, nats: relayNats }),
    },
    {
      name: "Sallyport",
      target,
      processes: { ...zonePids(stack), nats: stack.nats.pid },
    },
  ];
  return {
    roads,
    stack,
    close: bench.close,
  };
}

function pids(servers: Record<string, Pick<Server, "pid">>): Record<string, number> {
  return Object.fromEntries(Object.entries(servers).map(([name, server]) => [name, server.pid]));
}

function zonePids(stack: Stack): Record<string, number> {
  return Object.fromEntries([...stack.zones.values()].map((zone) => [zone.zone, zone.pid]));
}
