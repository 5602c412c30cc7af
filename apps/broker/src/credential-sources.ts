import type { CredentialSpec } from "./config.ts";
import type { CredentialSource, VaultLeases } from "./credential-source.ts";
import { Circuit } from "./vault/circuit.ts";
import type { Vault } from "./vault/connection.ts";
import { databaseSource } from "./vault/database-source.ts";
import { VaultFailure } from "./vault/failure.ts";
import { kvSource } from "./vault/kv-source.ts";

export interface SourceDeps {
  vault: Vault;
  leases: VaultLeases;
  maxVaultTtlSeconds: number;
}

/** One source per configured credential, each behind a circuit of its own. */
export function credentialSources(
  specs: Readonly<Record<string, CredentialSpec>>,
  deps: SourceDeps,
): (credential: string) => CredentialSource | undefined {
  const sources = new Map(
    Object.entries(specs).map(([name, spec]) => {
      const source = sourceOf(spec, deps);
      const circuit = new Circuit({ name: `credential ${name}` });
      return [
        name,
        { lease: (signal: AbortSignal) => circuit.run(() => source.lease(signal), isFaultOfRoute) },
      ];
    }),
  );
  return (credential) => sources.get(credential);
}

function sourceOf(spec: CredentialSpec, { vault, leases, maxVaultTtlSeconds }: SourceDeps): CredentialSource {
  switch (spec.kind) {
    case "kv":
      return kvSource(vault, { ...spec, ttlSeconds: spec.refresh / 1000 });
    case "database":
      return databaseSource(vault, { ...spec, leases, maxVaultTtlSeconds });
  }
}

/** A Vault that is away as a whole is known elsewhere, and a refusal comes at once: neither needs a rest. */
function isFaultOfRoute(thrown: unknown): boolean {
  return thrown instanceof VaultFailure && (thrown.problem === "slow" || thrown.problem === "faulty");
}
