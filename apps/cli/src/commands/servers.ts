import type { Command } from "commander";
import pc from "picocolors";
import { type CommandContext, type CommonOptions, command, operatorBus, outJson } from "../base-command.ts";
import { CommandFailure } from "../command-failure.ts";
import { loadCliConfig } from "../config.ts";
import { endpointOf } from "../endpoint.ts";
import { type EnrolmentFile, readEnrolments } from "../enrolment/enrolments.ts";
import { type Heard, hearPresence } from "../hear-presence.ts";
import { table } from "../table.ts";

const listenMs = 2_500;

export function serversCommand(context: CommandContext): Command {
  const { terminal, run } = context;
  return command(context, {
    name: "servers",
    summary: "list the MCP servers that connectors and runners offer",
    more:
      "What they say now; a runner's pools of sandboxes are servers too. With the setting `enrolments`, what somebody\n" +
      "offers and is not enrolled for is `not enrolled`: an edge sends it no calls.",
    examples: ["servers", "servers --json | jq -r '.servers[] | select(.ready | not) | .name'"],
  }).action(async (options: CommonOptions) => {
    const { edge, enrolments } = loadCliConfig(options.config).settings;
    const bus = await operatorBus(context, options);
    const heard = await hearPresence(bus, { forMs: listenMs, signal: run.signal });
    const enrolled = enrolments === undefined ? undefined : enrolledIn(readEnrolments(enrolments));
    const servers = serversOf(heard, { edgeUrl: edge?.url, enrolled });
    if (options.json) outJson(terminal, { servers });
    else if (servers.length > 0) terminal.out(serversText(servers, terminal.color));
    if (servers.length > 0) return;
    throw new CommandFailure("failed", "nobody offers a server", {
      fix: "see which zones are alive: sallyport status",
    });
  });
}

export interface OfferedServer {
  name: string;
  /** Whether at least one of those below can use it, and is enrolled for it where that is known. */
  ready: boolean;
  /** What agents call; only when `edge.url` is set. */
  url?: string;
  connectors: {
    connector: string;
    /** Only of a runner, whose pool this is. */
    zone?: "runner";
    ready: boolean;
    /** Whether edges believe it; not there where that is not known. */
    enrolled?: boolean;
    problem?: string | undefined;
  }[];
}

/** Whether edges let this connector, or runner, answer for this server. */
export type Enrolled = (from: { zone: string; instance: string }, server: string) => boolean;

/** Pure: what connectors and runners offer, by server. What an edge sends no calls is not ready, whatever its connector says. */
export function serversOf(
  heard: readonly Heard[],
  { edgeUrl, enrolled }: { edgeUrl?: string | undefined; enrolled?: Enrolled | undefined } = {},
): OfferedServer[] {
  const offerOf = (from: Heard, server: NonNullable<Heard["servers"]>[number]) => {
    const runner = from.zone === "runner" ? { zone: "runner" as const } : {};
    const offer = { connector: from.instance, ...runner, ready: server.ready, problem: server.problem };
    if (enrolled === undefined) return offer;
    const known = enrolled(from, server.name);
    return { ...offer, enrolled: known, ready: server.ready && known };
  };
  const offers = heard
    .filter(({ zone }) => zone === "connector" || zone === "runner")
    .flatMap((from) =>
      (from.servers ?? []).map((server) => ({ name: server.name, offer: offerOf(from, server) })),
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

/** Pure: as an edge reads the folder. A second file for the same connector is not believed. */
export function enrolledIn(files: readonly EnrolmentFile[]): Enrolled {
  const enrolments = files.flatMap((one) => ("enrolment" in one ? [one.enrolment] : []));
  return ({ zone, instance }, server) => {
    const one = enrolments.find(({ connector }) => connector === instance);
    return one?.zone === zone && one.servers.includes(server);
  };
}

type State = "ready" | "not ready" | "not enrolled";

function stateOf({ ready, enrolled }: OfferedServer["connectors"][number]): State {
  if (enrolled === false) return "not enrolled";
  return ready ? "ready" : "not ready";
}

function serversText(servers: readonly OfferedServer[], color: boolean): string {
  const { green, red } = pc.createColors(color);
  const rows = servers.flatMap((server) => server.connectors.map((one) => ({ server, ...one })));
  return table(rows, [
    { title: "SERVER", text: ({ server }) => server.name, max: 64 },
    { title: "OFFERED BY", text: ({ connector }) => connector, max: 64 },
    {
      title: "STATE",
      text: (row) => stateOf(row),
      max: 12,
      paint: ({ ready }) => (ready ? green : red),
    },
    { title: "ENDPOINT", text: ({ server }) => server.url ?? "(set edge.url)", max: 120 },
    { title: "PROBLEM", text: ({ problem }) => problem ?? "", max: 160 },
  ]);
}
