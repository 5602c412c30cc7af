import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { connectRelayAdmin, type PushedTo, type RelayAdmin } from "@sallyport/infra-nats";
import type { CommandRun } from "@sallyport/runtime";
import { CommandFailure } from "../command-failure.ts";
import { type Installation, installationFolder } from "./installation.ts";

/** The relay as its operator, closed when the command ends. `servers` are the installation's unless told. */
export async function reachRelay(
  run: CommandRun,
  installation: Installation,
  { servers = [] }: { servers?: readonly string[] | undefined } = {},
): Promise<RelayAdmin> {
  const { folder, facts } = installation;
  const chosen = (servers.length > 0 ? servers : facts.relay.servers).filter((url) =>
    /^(tls|nats):/.test(url),
  );
  if (chosen.length === 0) {
    const fix = "name one with --server tls://host:4222";
    throw new CommandFailure("config", "the relay's operator needs an address that begins with tls://", {
      fix,
    });
  }
  const tls = chosen.every((url) => url.startsWith("nats:"))
    ? {}
    : { tls: facts.relay.ca === undefined ? {} : { caFile: join(folder, installationFolder.relayCa) } };
  try {
    const creds = await readFile(join(folder, installationFolder.relayOperator));
    const admin = await connectRelayAdmin({ servers: chosen, creds, ...tls });
    return run.use(admin, "relay");
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new CommandFailure("unavailable", `the relay at ${chosen.join(", ")} was not reached: ${why}`, {
      setting: "--server",
      fix: "start it, or name an address that this machine reaches; then run this again",
      cause,
    });
  }
}

/** Hands the relay a tenant's account as it is now, and fails when any server did not take it. */
export async function pushAccount(
  admin: RelayAdmin,
  { trust }: Installation,
  tenant: string,
): Promise<PushedTo[]> {
  const said = await admin.push(trust.documents.accounts[tenant]?.jwt ?? "");
  const refused = said.filter(({ problem }) => problem !== undefined);
  if (said.length > 0 && refused.length === 0) return [...said];
  const whys = refused.map(({ server, problem }) => `${server}: ${problem}`).join("; ");
  throw new CommandFailure(
    "unavailable",
    `the relay did not take the tenant's account: ${whys || "no server answered"}`,
    {
      fix: "run this again: what was revoked is kept in the installation",
    },
  );
}

/** Who of these keys is on the relay. */
export async function onRelay(
  admin: RelayAdmin,
  { trust }: Installation,
  of: { tenant: string; keys: readonly string[] },
): Promise<string[]> {
  const live = await admin.connected(trust.documents.accounts[of.tenant]?.id ?? "");
  return of.keys.filter((key) => live.some(({ publicKey }) => publicKey === key));
}

/** Waits until none of the keys is on the relay. Returns whether that was so within the time. */
export async function untilOff(
  admin: RelayAdmin,
  installation: Installation,
  of: { tenant: string; keys: readonly string[]; withinMs: number },
): Promise<boolean> {
  const end = Date.now() + of.withinMs;
  while ((await onRelay(admin, installation, of)).length > 0) {
    if (Date.now() >= end) return false;
    await delay(100);
  }
  return true;
}
