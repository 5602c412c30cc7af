import type { Command } from "commander";
import pc from "picocolors";
import { type CommandContext, type CommonOptions, command, operatorBus, outJson } from "../base-command.ts";
import { CommandFailure } from "../command-failure.ts";
import { loadCliConfig } from "../config.ts";
import { endpointOf } from "../endpoint.ts";
import { type Heard, hearPresence } from "../hear-presence.ts";
import { table } from "../table.ts";

const listenMs = 2_500;

export function serversCommand(context: CommandContext): Command {
  const { terminal, run } = context;
  return command(context, {
    name: "servers",
    summary: "list the MCP servers that connectors offer",
    more: "What connectors say now. Whether an edge believes a connector is a matter of its enrolment.",
    examples: ["servers", "servers --json | jq -r '.servers[] | select(.ready | not) | .name'"],
  }).action(async (options: CommonOptions) => {
    const edge = loadCliConfig(options.config).settings.edge;
    const bus = await operatorBus(context, options);
    const servers = serversOf(await hearPresence(bus, { forMs: listenMs, signal: run.signal }), edge?.url);
    if (options.json) outJson(terminal, { servers });
    else if (servers.length > 0) terminal.out(serversText(servers, terminal.color));
    if (servers.length > 0) return;
    throw new CommandFailure("failed", "no connector offers a server", {
      fix: "see which zones are alive: sallyport status",
    });
  });
}

export interface OfferedServer {
  name: string;
  /** Whether at least one connector can use it. */
  ready: boolean;
  /** What agents call; only when `edge.url` is set. */
  url?: string;
  connectors: { connector: string; ready: boolean; problem?: string | undefined }[];
}

/** Pure: what connectors offer, by server. */
export function serversOf(heard: readonly Heard[], edgeUrl: string | undefined): OfferedServer[] {
  const offers = heard
    .filter(({ zone }) => zone === "connector")
    .flatMap(({ instance, servers = [] }) =>
      servers.map(({ name, ready, problem }) => ({ name, offer: { connector: instance, ready, problem } })),
    );
  return [...Map.groupBy(offers, ({ name }) => name)]
    .map(([name, group]) => ({
      name,
      ready: group.some(({ offer }) => offer.ready),
      ...(edgeUrl === undefined ? {} : { url: endpointOf(edgeUrl, name) }),
      connectors: group.map(({ offer }) => offer),
    }))
    .sort((a, b) => a.name.localeCompare(b.name));
}

function serversText(servers: readonly OfferedServer[], color: boolean): string {
  const { green, red } = pc.createColors(color);
  const rows = servers.flatMap((server) => server.connectors.map((one) => ({ server, ...one })));
  return table(rows, [
    { title: "SERVER", text: ({ server }) => server.name, max: 64 },
    { title: "CONNECTOR", text: ({ connector }) => connector, max: 64 },
    {
      title: "STATE",
      text: ({ ready }) => (ready ? "ready" : "not ready"),
      max: 9,
      paint: ({ ready }) => (ready ? green : red),
    },
    { title: "ENDPOINT", text: ({ server }) => server.url ?? "(set edge.url)", max: 120 },
    { title: "PROBLEM", text: ({ problem }) => problem ?? "", max: 160 },
  ]);
}
