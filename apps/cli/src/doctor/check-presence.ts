import { serversOf } from "../commands/servers.ts";
import type { Heard } from "../hear-presence.ts";
import { type Check, failed, ok, warning } from "./check.ts";

const zones = ["edge", "connector", "broker", "collector"] as const;

/**
 * Pure: what the zones say of themselves. An installation may have no runner, so one is missed only where it is enrolled.
 */
export function checkPresence(heard: readonly Heard[], enrolledRunners: readonly string[]): Check[] {
  return [
    ...zones.flatMap((zone) => checkZone(zone, heard)),
    ...checkRunners(heard, enrolledRunners),
    ...checkServers(heard),
    ...checkVersions(heard),
  ];
}

function checkZone(zone: string, heard: readonly Heard[]): Check[] {
  const name = `zone ${zone}`;
  const members = heard.filter((one) => one.zone === zone);
  if (members.length === 0) {
    const fix = `start apps/${zone}, and see in its log whether NATS takes its creds`;
    return [failed(name, "no instance announces itself within 3 s", fix)];
  }
  return members.map(checkMember);
}

function checkMember({ zone, instance, version, problems = [] }: Heard): Check {
  const name = `zone ${zone}`;
  if (problems.length === 0) return ok(name, `${instance} is up, version ${version}`);
  return failed(name, `${instance} says: ${problems.join("; ")}`, `see the log of ${zone} ${instance}`);
}

function checkRunners(heard: readonly Heard[], enrolled: readonly string[]): Check[] {
  const members = heard.filter(({ zone }) => zone === "runner");
  const silent = enrolled.filter((name) => members.every(({ instance }) => instance !== name));
  return [
    ...members.map(checkMember),
    ...silent.map((name) => {
      const what = `${name} is enrolled and does not announce itself within 3 s`;
      return failed("zone runner", what, `start it, or: sallyport runner remove ${name}`);
    }),
  ];
}

function checkServers(heard: readonly Heard[]): Check[] {
  return serversOf(heard).flatMap(({ name, ready, connectors }) =>
    connectors.map((one) => {
      const setting = one.zone === "runner" ? `pools.${name}` : `servers.${name}`;
      if (one.ready) return ok(`server ${name}`, `ready at ${one.connector}`);
      const what = `${one.connector} cannot use it: ${one.problem ?? "not ready"}`;
      const fix = `see \`${setting}\` in the settings of ${one.connector}, and its log`;
      // Another still offers it: agents notice nothing.
      return ready ? warning(`server ${name}`, what, fix) : failed(`server ${name}`, what, fix);
    }),
  );
}

function checkVersions(heard: readonly Heard[]): Check[] {
  const versions = [...new Set(heard.map(({ version }) => version))];
  if (versions.length <= 1) return [];
  const what = `several run at once: ${versions.join(", ")}`;
  return [warning("versions", what, "fine during an upgrade; otherwise bring all zones to one version")];
}
