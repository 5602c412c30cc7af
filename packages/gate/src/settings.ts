import { InstanceName } from "@sallyport/contracts";
import { type EdgeKeys, openEdgeKeys } from "@sallyport/grant";
import { LivePolicies, PolicyError } from "@sallyport/policy";
import { BootError, duration, filePath, secretFile } from "@sallyport/runtime";
import { readPrivateKeys } from "@sallyport/seal";
import { edgesSetting, issuerSettings, natsSettings, oneSourceOfKeys } from "@sallyport/zone";
import { z } from "zod";

/** What a zone that offers servers is told of agents, edges and itself. */
export const gateSettings = {
  tenant: InstanceName,
  /** This instance's own key, from `sallyport connector keygen`: sessions and credentials are sealed to it. */
  privateKey: secretFile(),
  /** The edges that may call. */
  edges: edgesSetting,
  /** How agents' tokens are verified here, independently of any edge. */
  tokens: z
    .strictObject({
      ...issuerSettings,
      /** The edge's public URL: tokens are for `{publicUrl}/mcp/{server}`. */
      publicUrl: z.url({ protocol: /^https?$/ }).transform((text) => new URL(text).origin),
    })
    .superRefine(oneSourceOfKeys),
  /** Cedar policies: files, or folders of `*.cedar`. */
  policies: z.array(filePath()).min(1).max(64),
  nats: natsSettings,
};

/** How long an orderly stop waits for calls in progress. */
export const drainLimit = duration({ max: "10m" }).default(10_000);

const settings = z.object(gateSettings);
export type GateSettings = z.output<typeof settings>;

/** What must be right before anything is opened: keys and policies. */
export interface GateMaterial {
  /** Newest first: two while one takes the other's place. */
  privateKeys(): readonly Uint8Array[];
  edges: EdgeKeys;
  /** Reads keys and edges again. Returns what is wrong. */
  reload(): Promise<readonly string[]>;
  /** Where they are. */
  keyFiles: readonly string[];
  policies: LivePolicies;
}

const fix = "give each edge's Ed25519 public key as PEM";

export async function readGateMaterial(config: GateSettings): Promise<GateMaterial> {
  const edges = openEdgeKeys(config.edges);
  const [problem] = edges.reload();
  if (problem !== undefined) throw new BootError(problem, { setting: "edges", fix });
  const readKeys = async () => readPrivateKeys((await config.privateKey.read()).revealText());
  let privateKeys = await readKeys();
  return {
    privateKeys: () => privateKeys,
    edges,
    reload: async () => {
      const problems = edges.reload();
      privateKeys = await readKeys();
      return problems;
    },
    keyFiles: [
      config.privateKey.path,
      ...(typeof config.edges === "string" ? [config.edges] : Object.values(config.edges)),
    ],
    policies: await LivePolicies.open(config.policies).catch((cause: unknown) => {
      throw cause instanceof PolicyError
        ? new BootError(cause.message, { setting: "policies", cause })
        : cause;
    }),
  };
}
