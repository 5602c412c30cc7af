import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { type RelayAddress, readRelayAddress } from "@sallyport/bus";
import { InstanceName, printable } from "@sallyport/contracts";
import { accountsConfig, createTrust, issueUser, serverConfig, storeTrust } from "@sallyport/infra-nats";
import { createRelayAuthority, InstallationFacts, writeNew } from "@sallyport/installation";
import type { z } from "zod";
import { CommandFailure } from "../command-failure.ts";
import { factsText, installationFolder } from "./installation.ts";

export interface InstallationPlan {
  tenants: readonly string[];
  /** Where zones reach the relay. */
  servers: readonly string[];
  tokens: { issuer: string; publicUrl: string; jwksUrl: string; ca?: string };
  /** PEM; `make` for one of its own; undefined for the system's. */
  authority: string | undefined;
  /** Where the folder `relay` will be on the relay's machine. */
  relayFolder: string;
  data: string;
  maxBytes: number;
  cluster: boolean;
}

/** Makes everything that an operator begins with. Throws what a person should read, before anything is written. */
export async function makeInstallation(
  folder: string,
  plan: InstallationPlan,
): Promise<{ operator: string }> {
  const listens = listensOf(plan.servers);
  for (const tenant of plan.tenants) {
    if (!InstanceName.safeParse(tenant).success)
      throw new CommandFailure("usage", `${tenant} is no tenant's name`, {
        setting: "--tenant",
        fix: "use A-Z a-z 0-9 _ -",
      });
  }
  const trust = await createTrust({ name: "sallyport", tenants: [...new Set(plan.tenants)] });
  const made = plan.authority === "make" ? createRelayAuthority(hostsOf(plan.servers)) : undefined;
  const ca = made?.authority.certificate ?? plan.authority;
  const facts = InstallationFacts.safeParse({
    format: "sallyport-installation/1",
    operator: trust.operatorId,
    tenants: trust.tenants(),
    relay: { servers: plan.servers, ...(ca === undefined ? {} : { ca }) },
    tokens: plan.tokens,
  });
  if (!facts.success) throw notFacts(facts.error);
  const tls = { certFile: join(plan.relayFolder, "tls.crt"), keyFile: join(plan.relayFolder, "tls.key") };
  const config = serverConfig(trust, {
    jetstream: { dir: join(plan.data, "jetstream"), syncAlways: !plan.cluster, maxBytes: plan.maxBytes },
    resolver: { dir: join(plan.data, "accounts") },
    accountsFile: "accounts.conf",
    ...(listens.nats === undefined ? {} : { listen: listens.nats, ...(listens.clear ? {} : { tls }) }),
    ...(listens.websocket === undefined ? {} : { websocket: { listen: listens.websocket, tls } }),
  });

  const at = (name: string) => join(folder, name);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  await storeTrust(trust, at(installationFolder.trust));
  await writeNew(at(installationFolder.relayOperator), await trust.issueRelayOperator());
  await writeNew(at("relay/nats-server.conf"), config);
  await writeNew(at(installationFolder.accounts), accountsConfig(trust));
  if (ca !== undefined) await writeNew(at(installationFolder.relayCa), ca, 0o644);
  if (made !== undefined) {
    await writeNew(at(installationFolder.relayCaKey), made.authority.key);
    await writeNew(at(installationFolder.relayCertificate), made.relay.certificate, 0o644);
    await writeNew(at(installationFolder.relayKey), made.relay.key);
  }
  for (const tenant of trust.tenants())
    await writeNew(
      at(`${installationFolder.creds}/${tenant}/provisioner.creds`),
      await issueUser(trust, "provisioner", tenant),
    );
  await mkdir(at(installationFolder.zones), { recursive: true, mode: 0o700 });
  await mkdir(at(installationFolder.bundles), { recursive: true, mode: 0o700 });
  await writeNew(at(installationFolder.facts), factsText(facts.data));
  return { operator: trust.operatorId };
}

function notFacts(error: z.ZodError): CommandFailure {
  const [issue] = error.issues;
  const settings: Record<string, string> = {
    ...{ "tokens.issuer": "--issuer", "tokens.publicUrl": "--public-url", "tokens.jwksUrl": "--jwks-url" },
  };
  const path = issue?.path.join(".") ?? "";
  const setting = settings[path] ?? (path.startsWith("relay.servers") ? "--relay" : "--ca");
  return new CommandFailure("usage", `${path}: ${issue?.message}`, { setting });
}

interface Listens {
  nats: string | undefined;
  /** Without TLS: on loopback alone. */
  clear: boolean;
  websocket: string | undefined;
}

/** Where a relay listens that zones reach at these URLs. */
function listensOf(servers: readonly string[]): Listens {
  const all = servers.map((url) => {
    const address = readRelayAddress(url);
    if (!("problem" in address)) return address;
    throw new CommandFailure("usage", `${printable(url, 200)} is not ${address.problem}`, {
      setting: "--relay",
    });
  });
  const nats = all.find(({ websocket }) => !websocket);
  const websocket = all.find((one) => one.websocket && one.tls);
  const at = ({ host, port }: RelayAddress) => `${isLoopback(host) ? "127.0.0.1" : "0.0.0.0"}:${port}`;
  return { nats: nats && at(nats), clear: nats?.tls === false, websocket: websocket && at(websocket) };
}

const isLoopback = (host: string) => host === "localhost" || host === "::1" || host.startsWith("127.");

export const hostsOf = (servers: readonly string[]) => [
  ...new Set(servers.map((url) => new URL(url).hostname.replace(/^\[|\]$/g, ""))),
];
