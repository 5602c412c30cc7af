import { createPublicKey, type KeyObject } from "node:crypto";
import { readFileSync } from "node:fs";
import { InstanceName } from "@sallyport/contracts";
import { LivePolicies } from "@sallyport/policy";
import { duration, filePath, secretFile } from "@sallyport/runtime";
import { readPrivateKeyText } from "@sallyport/seal";
import { issuerSettings, natsSettings, oneSourceOfKeys } from "@sallyport/zone";
import { z } from "zod";

/** What a zone that offers servers is told of agents, edges and itself. */
export const gateSettings = {
  tenant: InstanceName,
  /** This instance's own key, from `sallyport connector keygen`: sessions and credentials are sealed to it. */
  privateKey: secretFile(),
  /** The edges that may call: name → Ed25519 public key (PEM). */
  edges: z.record(InstanceName, filePath()).refine((edges) => Object.keys(edges).length > 0, {
    message: "without an edge nobody can call",
  }),
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
  privateKey: Uint8Array;
  edges: ReadonlyMap<string, KeyObject>;
  policies: LivePolicies;
}

export async function readGateMaterial(config: GateSettings): Promise<GateMaterial> {
  return {
    privateKey: readPrivateKeyText((await config.privateKey.read()).revealText()),
    edges: new Map(
      Object.entries(config.edges).map(([edge, file]) => [edge, createPublicKey(readFileSync(file))]),
    ),
    policies: await LivePolicies.open(config.policies),
  };
}
