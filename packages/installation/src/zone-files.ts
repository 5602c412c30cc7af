import { join } from "node:path";
import { stringify } from "yaml";
import type { Bundle } from "./bundle.ts";
import { zoneNeeds } from "./zones.ts";

/** Where things lie in a zone's folder. */
export const zoneFolder = {
  request: "request.json",
  natsSeed: "nats.seed",
  sealKey: "seal.key",
  grantKey: "grant.key",
  creds: "nats.creds",
  relayCa: "relay-ca.pem",
  issuerCa: "issuer-ca.pem",
  edges: "edges",
  enrolments: "enrolments",
  installed: "installed.json",
} as const;

/** A key that was made for the next bundle, beside the one in use. */
export const nextOf = (file: string) => `${file}.next`;

export const settingsFileOf = ({ zone }: Pick<Bundle, "zone">) =>
  zone === "operator" ? "sallyport.yaml" : `${zone}.yaml`;

/** Keys of a zone's settings that say who it is and whom it believes: a bundle sets these itself. */
export const ownSettings = [
  ...["instance", "tenant", "nats", "privateKey", "signingKey", "edges", "enrolments", "tokens", "publicUrl"],
] as const;

/** Pure: the public files that a bundle makes, by path in the zone's folder. Its settings and creds are not among them. */
export function publicFilesOf(bundle: Bundle): ReadonlyMap<string, string> {
  const files = new Map<string, string>();
  if (bundle.relay.ca !== undefined) files.set(zoneFolder.relayCa, withLineEnd(bundle.relay.ca));
  if (bundle.tokens?.ca !== undefined) files.set(zoneFolder.issuerCa, withLineEnd(bundle.tokens.ca));
  for (const [edge, keys] of Object.entries(bundle.edges ?? {}))
    files.set(join(zoneFolder.edges, `${edge}.pem`), keys.map(withLineEnd).join(""));
  for (const enrolment of bundle.enrolments ?? [])
    files.set(
      join(zoneFolder.enrolments, `${enrolment.connector}.json`),
      `${JSON.stringify(enrolment, null, 2)}\n`,
    );
  return files;
}

/** Pure: the zone's settings file. Paths in it are relative to itself; secrets are paths of files that the zone made. */
export function settingsOf(bundle: Bundle): string {
  const { zone, instance, tenant, tokens, relay } = bundle;
  const needs = zoneNeeds[zone];
  const nats = {
    servers: relay.servers,
    creds: zoneFolder.creds,
    ...(relay.ca === undefined ? {} : { caFile: zoneFolder.relayCa }),
  };
  if (zone === "operator") {
    const more =
      tokens === undefined ? {} : { edge: { url: tokens.publicUrl }, issuer: { url: tokens.issuer } };
    return yaml(bundle, { nats: { ...nats, instance }, ...more, ...bundle.settings });
  }
  const issuer = tokens && {
    issuer: tokens.issuer,
    jwksUrl: tokens.jwksUrl,
    ...(tokens.ca === undefined ? {} : { caFile: zoneFolder.issuerCa }),
  };
  return yaml(bundle, {
    instance,
    ...(zone === "collector" ? {} : { tenant }),
    ...(needs.seal ? { privateKey: zoneFolder.sealKey } : {}),
    ...(needs.grant ? { signingKey: zoneFolder.grantKey } : {}),
    ...(needs.edges ? { edges: zoneFolder.edges } : {}),
    ...(needs.enrolments ? { enrolments: zoneFolder.enrolments } : {}),
    ...(tokens === undefined ? {} : tokensOf(zone, { ...tokens, issuer })),
    nats,
    ...bundle.settings,
  });
}

function tokensOf(zone: Bundle["zone"], of: { publicUrl: string; issuer: object | undefined }): object {
  if (zone === "edge") return { publicUrl: of.publicUrl, tokens: of.issuer };
  return { tokens: { ...of.issuer, publicUrl: of.publicUrl } };
}

function yaml({ operator, issuedAt }: Bundle, settings: object): string {
  return `# From the bundle that ${operator} signed at ${issuedAt}. Settings of this machine may be added.\n${stringify(settings)}`;
}

const withLineEnd = (text: string) => (text.endsWith("\n") ? text : `${text}\n`);
