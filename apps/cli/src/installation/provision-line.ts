import { join } from "node:path";
import { installationFolder } from "./installation.ts";

/** The command that makes a tenant's streams, as a person types it. `pinned`: the relay's authority is the installation's. */
export function provisionLine(
  tenant: string,
  { folder, servers, pinned }: { folder: string; servers: readonly string[]; pinned: boolean },
): string {
  const url = servers.find((one) => one.startsWith("tls:")) ?? servers[0];
  const ca = pinned ? ` --ca ${join(folder, installationFolder.relayCa)}` : "";
  const creds = join(folder, installationFolder.creds, tenant, "provisioner.creds");
  return `pnpm infra:nats provision --server ${url}${ca} --creds ${creds}`;
}
