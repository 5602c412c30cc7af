import { serversOf } from "../commands/servers.ts";
import type { Heard } from "../hear-presence.ts";
import { type Check, failed, ok, warning } from "./check.ts";

const zones = ["edge", "connector", "broker", "collector"] as const;

/** Pure: what the zones say of themselves. */
export function checkPresence(heard: readonly Heard[]): Check[] {
  return [
    ...zones.flatMap((zone) => checkZone(zone, heard)),
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
  return members.map(({ instance, version, problems = [] }) =>
    problems.length === 0
      ? ok(name, `${instance} is up, version ${version}`)
      : failed(name, `${instance} says: ${problems.join("; ")}`, `see the log of ${zone} ${instance}`),
  );
}

function checkServers(heard: readonly Heard[]): Check[] {
  return serversOf(heard).flatMap(({ name, ready, connectors }) =>
    connectors.map((one) => {
      if (one.ready) return ok(`server ${name}`, `ready at ${one.connector}`);
      const what = `${one.connector} cannot use it: ${one.problem ?? "not ready"}`;
      const fix = `see \`servers.${name}\` in the settings of ${one.connector}, and whether it reaches the server`;
      // Another connector still offers it: agents notice nothing.
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
