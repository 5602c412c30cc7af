import { trace } from "@opentelemetry/api";
import { BootError } from "@sallyport/runtime";
import type { VaultLeases } from "../credential-source.ts";
import { type VaultAddress, vaultClient } from "./client.ts";
import { connectVault, type Vault, type VaultLog } from "./connection.ts";
import { VaultFailure } from "./failure.ts";
import { vaultLeases } from "./leases.ts";
import { type AppRole, LoginRefused } from "./login.ts";
import { patientLogin } from "./login-gate.ts";

export interface OpenVault {
  vault: Vault;
  leases: VaultLeases;
  close(): void;
}

/** Vault with this broker logged in to it, or a BootError that says what to mend. */
export async function openVault(at: VaultAddress & { auth: AppRole }, log: VaultLog): Promise<OpenVault> {
  const client = vaultClient(at, trace.getTracer("sallyport.broker"));
  try {
    const vault = await connectVault(client, patientLogin(client, at.auth), { log });
    return { vault, leases: vaultLeases(vault), close: () => vault.close() };
  } catch (thrown) {
    throw asBootError(thrown, at.address);
  }
}

function asBootError(thrown: unknown, address: string): unknown {
  if (thrown instanceof LoginRefused) {
    return new BootError(thrown.message, {
      setting: "vault.auth",
      fix: "give the broker a fresh secret_id",
      cause: thrown,
    });
  }
  if (thrown instanceof VaultFailure) {
    const fix =
      "check the address, that Vault is unsealed, and that its certificate is signed by `vault.caFile`";
    const message = `${address}: ${thrown.message}${thrown.said === undefined ? "" : ` (${thrown.said})`}`;
    return new BootError(message, { setting: "vault", fix, cause: thrown });
  }
  return thrown;
}
