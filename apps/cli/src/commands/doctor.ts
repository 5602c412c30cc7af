import type { Bus, BusLog } from "@sallyport/bus";
import { ConfigError } from "@sallyport/runtime";
import type { Command } from "commander";
import { type CommandContext, type CommonOptions, command, operatorBus, outJson } from "../base-command.ts";
import { CommandFailure } from "../command-failure.ts";
import { type LoadedConfig, loadCliConfig } from "../config.ts";
import { type Check, failed, failedBy, ok, warning } from "../doctor/check.ts";
import { checkDemands } from "../doctor/check-demands.ts";
import { checkEdge } from "../doctor/check-edge.ts";
import { checkIssuer } from "../doctor/check-issuer.ts";
import { checkPresence } from "../doctor/check-presence.ts";
import { checkRelay } from "../doctor/check-relay.ts";
import { checkSandboxes, type Weaknesses } from "../doctor/check-sandboxes.ts";
import { checkZoneConfigs } from "../doctor/check-zone-configs.ts";
import { reportText } from "../doctor/report.ts";
import { type EnrolmentFile, readEnrolments } from "../enrolment/enrolments.ts";
import { type Heard, hearPresence } from "../hear-presence.ts";
import { enrolledIn } from "./servers.ts";

/** Each instance announces itself once a second. */
const presenceMs = 3_000;
const oldestNode = 26;

interface Options extends CommonOptions {
  zoneConfig: string[];
}

export function doctorCommand(context: CommandContext): Command {
  const { terminal, run } = context;
  return command(context, {
    name: "doctor",
    summary: "check everything that zones need, and say what to fix",
    more:
      "Takes about five seconds. Zones' settings are checked by the zones' own programs, and against each other; " +
      "of each runner it tells what its host was proven to hold, and whether that is what edges ask of its pools.",
    examples: [
      "doctor",
      "doctor --zone-config edge.yaml --zone-config connector.yaml --zone-config broker.yaml",
      "doctor --json | jq '.checks[] | select(.state == \"failed\")'",
      "doctor --json | jq '.checks[].isolation | select(. != null) | .properties'",
    ],
  })
    .option("--zone-config <file>", "a zone's settings to check (repeat it for several)", collect, [])
    .action(async (options: Options) => {
      const checks = await allChecks(context, options);
      const bad = checks.filter(({ state }) => state === "failed").length;
      // A half-done examination says nothing.
      run.signal.throwIfAborted();
      if (options.json) outJson(terminal, { ok: bad === 0, checks });
      else terminal.out(reportText(checks, terminal.color));
      if (bad > 0) throw new CommandFailure("failed", `${bad} of ${checks.length} checks failed`);
    });
}

async function allChecks(context: CommandContext, options: Options): Promise<Check[]> {
  const { signal } = context.run;
  const config = loaded(options.config);
  const settings = "settings" in config ? config.settings : undefined;
  const files = options.zoneConfig.length > 0 ? options.zoneConfig : (settings?.zoneConfigs ?? []);
  const live = "settings" in config ? await liveChecks(context, options, config) : [config];
  // Afterwards: each starts a program, and on a small machine they would keep us from hearing who is alive.
  const zoneChecks = await checkZoneConfigs(files, signal);
  return [checkNode(process.versions.node), ...live, ...zoneChecks];
}

async function liveChecks(context: CommandContext, options: Options, config: LoadedConfig): Promise<Check[]> {
  const { edge, issuer, nats } = config.settings;
  const relay = nats === undefined ? [unset(config, "nats")] : relayChecks(context, options, config);
  const edgeChecks = edge === undefined ? [unset(config, "edge")] : checkEdge(edge.url, issuer?.url);
  const issuerChecks = issuer === undefined ? [unset(config, "issuer")] : checkIssuer(issuer.url);
  const found = await Promise.all([relay, edgeChecks, issuerChecks]);
  return [ok("settings", config.file), ...found.flat()];
}

/** NATS, and who and what is reached through it. */
async function relayChecks(
  context: CommandContext,
  options: Options,
  config: LoadedConfig,
): Promise<Check[]> {
  const complaints = new Set<string>();
  let bus: Bus;
  try {
    bus = await operatorBus(context, options, complaintsInto(complaints));
  } catch (error) {
    return [failedBy("nats", error, "start the NATS server")];
  }
  const { signal } = context.run;
  const [relay, heard] = await Promise.all([
    checkRelay(bus, signal),
    hearPresence(bus, { forMs: presenceMs, signal }),
  ]);
  // Only here, and not while we listen: the parts of a sandbox are much, and every command would wait for them.
  const { weaknesses } = await import("@sallyport/isolation");
  const said = [...complaints].map((what) =>
    warning("nats", what, "issue this operator's creds anew: they do not allow what this version needs"),
  );
  const version = bus.nats.info?.version ?? "?";
  return [
    ok("nats", `nats-server ${version} takes operator ${bus.who.instance}`),
    ...said,
    ...relay,
    ...checkInstances(heard, config, weaknesses),
  ];
}

/** Who is alive, and where the enrolments can be read, who should be; what runners have proven, and whether it is enough. */
function checkInstances(
  heard: readonly Heard[],
  { settings }: LoadedConfig,
  weaknesses: Weaknesses,
): Check[] {
  const { files, problem } = enrolmentsOf(settings.enrolments);
  const runners = (files ?? []).flatMap((one) =>
    "enrolment" in one && one.enrolment.zone === "runner" ? [one.enrolment.connector] : [],
  );
  return [
    ...(problem === undefined ? [] : [problem]),
    ...checkPresence(heard, runners),
    ...checkSandboxes(heard, weaknesses),
    ...checkDemands(heard, files === undefined ? undefined : enrolledIn(files)),
  ];
}

function enrolmentsOf(folder: string | undefined): { files?: EnrolmentFile[]; problem?: Check } {
  if (folder === undefined) return {};
  try {
    return { files: readEnrolments(folder) };
  } catch (error) {
    return { problem: failedBy("enrolments", error, "correct `enrolments`") };
  }
}

/** What NATS complains of while we ask, such as a missing permission. A few are enough. */
function complaintsInto(complaints: Set<string>): BusLog {
  const add = (fields: object, message: string) => {
    const problem = "problem" in fields ? `${message}: ${String(fields.problem)}` : message;
    if (complaints.size < 8) complaints.add(problem);
  };
  return { info: () => {}, warn: add, error: add };
}

/** Settings that cannot be used are one failed check; zones' settings are looked at all the same. */
function loaded(file: string | undefined): LoadedConfig | Check {
  try {
    return loadCliConfig(file);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return failed("settings", error.message, "correct them, or name others with --config");
  }
}

function unset(config: LoadedConfig, part: string): Check {
  return warning(part, "not checked: it is not in the settings", `add ${part} to ${config.file}`);
}

export function checkNode(version: string): Check {
  const [major = 0] = version.split(".").map(Number);
  if (major >= oldestNode) return ok("node", version);
  return failed("node", `${version} is too old`, `use Node.js ${oldestNode} or newer`);
}

function collect(file: string, files: string[]): string[] {
  return [...files, file];
}
