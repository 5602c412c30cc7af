import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { ServiceError } from "@sallyport/contracts";
import { connectRelayAdmin, inFlags, type PushedTo, type RelayAdmin } from "@sallyport/infra-nats";
import type { CommandRun } from "@sallyport/runtime";
import { CommandFailure } from "../command-failure.ts";
import { type Installation, installationFolder } from "./installation.ts";
import { type RelayOptions, roadOfOptions } from "./relay-options.ts";

/** The relay as its operator, closed when the command ends. */
export async function reachRelay(
  run: CommandRun,
  { folder, facts }: Installation,
  options: RelayOptions,
): Promise<RelayAdmin> {
  const servers = options.server ?? facts.relay.servers;
  const ca = facts.relay.ca === undefined ? undefined : join(folder, installationFolder.relayCa);
  const road = roadOfOptions({ ...options, ca });
  try {
    const creds = await readFile(join(folder, installationFolder.relayOperator));
    return run.use(await connectRelayAdmin({ servers, creds, ...road }), "relay");
  } catch (cause) {
    const why = inFlags(cause instanceof Error ? cause.message : String(cause));
    const what = `the relay at ${servers.join(", ")} was not reached: ${why}`;
    // What is refused is refused again: the message says which flag to mend.
    if (cause instanceof ServiceError && cause.code === "denied")
      throw new CommandFailure("refused", what, { cause });
    throw new CommandFailure("unavailable", what, {
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
