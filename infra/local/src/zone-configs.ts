import type { Zone } from "@sallyport/contracts";
import type { Material } from "./material.ts";
import type { SandboxHost } from "./sandbox-host.ts";
import type { StackPlan } from "./stack-plan.ts";

const edge = "edge-1";
const broker = "broker-1";
const collector = "collector-1";
const tenant = "local";

/** What the zones are told of what was started before them. */
export interface ZoneSurroundings {
  natsUrl: string;
  vault: { url: string; roleId: string; wrappedSecretId: string };
  issuerUrl: string;
  edgePort: number;
  edgeUrl: string;
  servers: Record<string, object>;
  /** By the runner that is to have it. */
  sandboxHosts: ReadonlyMap<string, SandboxHost["settings"]>;
}

export interface ZoneConfig {
  zone: Exclude<Zone, "operator">;
  instance: string;
  config: object;
}

/** Each zone's own configuration, with its own NATS user and keys. Secrets are paths of files. */
export async function zoneConfigs(
  material: Material,
  plan: StackPlan,
  around: ZoneSurroundings,
): Promise<ZoneConfig[]> {
  const keys = material.edgeKey(edge);
  const edges = { [edge]: keys.publicFile };
  const tokens = { issuer: around.issuerUrl, jwksUrl: `${around.issuerUrl}/jwks` };
  const enrolments = material.path("enrolments");
  // Less than the product's own: whoever stops a local stack is waiting for it.
  const limits = { drain: plan.drain ?? "2s" };
  const zone = async (zone: ZoneConfig["zone"], instance: string, config: object): Promise<ZoneConfig> => ({
    zone,
    instance,
    config: {
      nats: { servers: [around.natsUrl], creds: await material.user({ zone, instance }) },
      telemetry: { sampleRatio: plan.sampleRatio ?? 1 },
      ...config,
    },
  });
  const policies = Object.entries(plan.policies).map(([name, text]) =>
    material.write(`policies/${name}`, text),
  );
  const connectors: ZoneConfig[] = [];
  for (const connector of plan.connectors ?? ["connector-1"]) {
    const key = await material.connectorKey(connector, Object.keys(around.servers));
    connectors.push(
      await zone("connector", connector, {
        tenant,
        privateKey: key.privateFile,
        edges,
        tokens: { ...tokens, publicUrl: around.edgeUrl },
        policies,
        servers: around.servers,
        limits,
      }),
    );
  }
  const runners: ZoneConfig[] = [];
  const workers = Object.keys(plan.workers ?? {});
  for (const [runner, host] of around.sandboxHosts) {
    const key = await material.runnerKey(runner, [...Object.keys(plan.sandboxes ?? {}), ...workers]);
    runners.push(
      await zone("runner", runner, {
        tenant,
        privateKey: key.privateFile,
        edges,
        tokens: { ...tokens, publicUrl: around.edgeUrl },
        policies,
        ...host,
        pools: mapValues(plan.sandboxes ?? {}, ({ pool }) => pool),
        workers: plan.workers ?? {},
        environments: plan.environments ?? [],
        limits,
      }),
    );
  }
  return [
    await zone("collector", collector, { store: { file: material.path("telemetry.sqlite") } }),
    await zone("broker", broker, {
      tenant,
      vault: {
        address: around.vault.url,
        auth: {
          method: "approle",
          roleId: material.write("vault/role-id", around.vault.roleId),
          secretIdWrapped: material.write("vault/secret-id.wrapped", around.vault.wrappedSecretId),
        },
      },
      edges,
      enrolments,
      credentials: plan.credentials,
      rules: material.write("lease-rules.yaml", JSON.stringify({ rules: plan.leaseRules })),
    }),
    ...connectors,
    ...runners,
    await zone("edge", edge, {
      tenant,
      listen: { host: "127.0.0.1", port: around.edgePort },
      publicUrl: around.edgeUrl,
      tokens,
      signingKey: keys.privateFile,
      enrolments,
      environments: workers,
      ...(plan.sandboxes ? { sandboxes: mapValues(plan.sandboxes, (one) => one.requirements) } : {}),
      limits: plan.placement === undefined ? limits : { ...limits, placement: plan.placement },
    }),
  ];
}

function mapValues<T, U>(of: Readonly<Record<string, T>>, map: (value: T) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(of).map(([name, value]) => [name, map(value)]));
}
