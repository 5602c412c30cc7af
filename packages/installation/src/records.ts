import { InstanceName, ServerName, zones } from "@sallyport/contracts";
import type { Enrolment } from "@sallyport/seal";
import { z } from "zod";
import { RelayFacts, TokenFacts, type UnsignedBundle } from "./bundle.ts";
import { GrantKey, NatsKey, SealKey, ZoneKeys } from "./request.ts";
import { zoneNeeds } from "./zones.ts";

/** `installation.json`: what is the same for all zones. It is public. */
export const InstallationFacts = z
  .strictObject({
    format: z.literal("sallyport-installation/1"),
    operator: z.string(),
    tenants: z.array(InstanceName).min(1),
    relay: RelayFacts,
    /** `{tenant}` in it stands for the tenant's name. */
    tokens: TokenFacts,
    /** Tenants whose agents call something else than `tokens.publicUrl` says. */
    publicUrls: z.record(InstanceName, TokenFacts.shape.publicUrl).optional(),
  })
  .refine(
    (facts) => new Set(facts.tenants.map((one) => publicUrlOf(facts, one))).size === facts.tenants.length,
    {
      // A token is for a URL: it would count for an agent's calls to the other tenant too.
      message: "two tenants have the same; put {tenant} into it",
      path: ["tokens", "publicUrl"],
    },
  );
export type InstallationFacts = z.output<typeof InstallationFacts>;

/** One instance of a zone, as its operator knows it. It is public. */
export const InstanceRecord = z.strictObject({
  zone: z.enum(zones),
  instance: InstanceName,
  tenant: InstanceName,
  keys: ZoneKeys,
  /** The keys before these, which count until the change is finished. */
  retiring: z
    .strictObject({ nats: NatsKey, seal: SealKey.optional(), grant: GrantKey.optional() })
    .optional(),
  /** What a connector or runner may answer for. */
  servers: z.array(ServerName).max(256).default([]),
  settings: z.record(z.string(), z.json()).optional(),
  issuedAt: z.iso.datetime(),
  revokedAt: z.iso.datetime().optional(),
});
export type InstanceRecord = z.output<typeof InstanceRecord>;

/** Pure: what an instance's bundle says, but for who signs. `records` are all of the installation. */
export function bundleFor(
  record: InstanceRecord,
  of: {
    installation: InstallationFacts;
    records: readonly InstanceRecord[];
    nats: { jwt: string; account: string };
    now: Date;
  },
): UnsignedBundle {
  const { zone, instance, tenant, keys, retiring, settings } = record;
  const { operator, relay } = of.installation;
  const needs = zoneNeeds[zone];
  const peers = of.records.filter((one) => one.tenant === tenant && one.revokedAt === undefined);
  return {
    format: "sallyport-bundle/1",
    ...{ zone, instance, tenant, operator, relay },
    issuedAt: of.now.toISOString(),
    nats: { publicKey: keys.nats, ...of.nats },
    keys: {
      ...(needs.seal ? { seal: newestFirst(keys.seal, retiring?.seal) } : {}),
      ...(needs.grant ? { grant: newestFirst(keys.grant, retiring?.grant) } : {}),
    },
    ...(needs.edges ? { edges: edgesOf(peers) } : {}),
    ...(needs.enrolments ? { enrolments: peers.flatMap(enrolmentOf) } : {}),
    ...(needs.tokens ? { tokens: tokensOf(of.installation, tenant) } : {}),
    ...(settings === undefined ? {} : { settings }),
  };
}

/** Pure: whose bundles say something else when this instance's keys or servers change. Not its own. */
export function toldOf(record: InstanceRecord, records: readonly InstanceRecord[]): InstanceRecord[] {
  const { seal, grant } = zoneNeeds[record.zone];
  return records.filter((one) => {
    const needs = zoneNeeds[one.zone];
    const heard = (seal && needs.enrolments) || (grant && needs.edges);
    return heard && one.tenant === record.tenant && one.revokedAt === undefined && one !== record;
  });
}

const newestFirst = (newest: string | undefined, older: string | undefined) =>
  [newest, older].filter((key) => key !== undefined);

function edgesOf(peers: readonly InstanceRecord[]): Record<string, string[]> {
  const edges = peers.filter(({ zone }) => zone === "edge");
  return Object.fromEntries(
    edges.map(({ instance, keys, retiring }) => [instance, newestFirst(keys.grant, retiring?.grant)]),
  );
}

/** Edges and brokers change to a new key as soon as they hear of it: its holder has it already. */
function enrolmentOf({ zone, instance, keys, servers }: InstanceRecord): Enrolment[] {
  if ((zone !== "connector" && zone !== "runner") || keys.seal === undefined) return [];
  return [{ zone, connector: instance, publicKey: keys.seal, servers }];
}

interface Tokens {
  tokens: TokenFacts;
  publicUrls?: Readonly<Record<string, string>> | undefined;
}

function tokensOf(facts: Tokens, tenant: string): TokenFacts {
  const { issuer, jwksUrl, ...ca } = facts.tokens;
  return {
    ...ca,
    issuer: named(issuer, tenant),
    publicUrl: publicUrlOf(facts, tenant),
    jwksUrl: named(jwksUrl, tenant),
  };
}

/** Pure: what a tenant's agents call. */
export function publicUrlOf({ tokens, publicUrls }: Tokens, tenant: string): string {
  return publicUrls?.[tenant] ?? named(tokens.publicUrl, tenant);
}

const named = (text: string, tenant: string) =>
  text.replaceAll("{tenant}", tenant).replaceAll("%7Btenant%7D", tenant);
