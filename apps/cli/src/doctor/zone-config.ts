import { createPublicKey, type KeyObject } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { parse } from "yaml";
import { z } from "zod";
import { CommandFailure } from "../command-failure.ts";
import { type EnrolmentFile, readEnrolments } from "../enrolment/enrolments.ts";

/** What is compared between zones' settings. Each zone's own `--check` says whether its file is valid. */
interface CommonFacts {
  file: string;
  instance?: string | undefined;
  tenant?: string | undefined;
}
export interface EdgeFacts extends CommonFacts {
  zone: "edge";
  publicUrl: string;
  issuer: string;
  /** SPKI, base64, of its signing key; undefined when that cannot be read from here. */
  publicKey: string | undefined;
  enrolments: readonly EnrolmentFile[];
}
/** Of a connector, or of a runner, whose pools are its servers. */
export interface GateFacts extends CommonFacts {
  zone: "connector" | "runner";
  publicUrl: string;
  issuer: string;
  edges: ReadonlyMap<string, string | undefined>;
  /** Server → the credentials that it is used with. */
  servers: ReadonlyMap<string, readonly string[]>;
}
export interface BrokerFacts extends CommonFacts {
  zone: "broker";
  edges: ReadonlyMap<string, string | undefined>;
  enrolments: readonly EnrolmentFile[];
  credentials: readonly string[];
  rules: readonly LeaseRuleFacts[];
}
interface CollectorFacts extends CommonFacts {
  zone: "collector";
}
export type ZoneFacts = EdgeFacts | GateFacts | BrokerFacts | CollectorFacts;

const LeaseRuleFacts = z.looseObject({
  credential: z.string(),
  servers: z.array(z.string()),
  connectors: z.array(z.string()).optional(),
});
type LeaseRuleFacts = z.output<typeof LeaseRuleFacts>;

const common = { instance: z.string().optional(), tenant: z.string().optional() };
const Tokens = z.looseObject({ issuer: z.string(), publicUrl: z.string().optional() });
const Secret = z.union([z.string(), z.object({ file: z.string() })]);
const Edge = z.looseObject({
  ...common,
  publicUrl: z.string(),
  tokens: Tokens,
  signingKey: Secret,
  enrolments: z.string(),
});
const Edges = z.union([z.string(), z.record(z.string(), z.string())]);
const Gate = z.looseObject({ ...common, tokens: Tokens, edges: Edges });
const Connector = z.looseObject({
  servers: z.record(
    z.string(),
    z.looseObject({ credential: z.looseObject({ name: z.string() }).optional() }),
  ),
});
const Credentials = z.record(z.string(), z.looseObject({ credential: z.string() }));
const Runner = z.looseObject({
  pools: z.record(
    z.string(),
    z.looseObject({ egress: z.looseObject({ credentials: Credentials.optional() }).optional() }),
  ),
  workers: z.record(z.string(), z.unknown()).optional(),
});
const Broker = z.looseObject({
  ...common,
  edges: Edges,
  enrolments: z.string(),
  credentials: z.record(z.string(), z.unknown()),
  rules: z.string(),
});
const Collector = z.looseObject({ ...common });

const RuleFile = z.looseObject({ rules: z.array(LeaseRuleFacts) });

const maxBytes = 1024 * 1024;

/** Which zone a file configures, by the settings that only this zone has. */
export function zoneOf(settings: unknown): ZoneFacts["zone"] | undefined {
  const keys = new Set(Object.keys(z.looseObject({}).safeParse(settings).data ?? {}));
  if (keys.has("vault")) return "broker";
  if (keys.has("pools")) return "runner";
  if (keys.has("privateKey")) return "connector";
  if (keys.has("publicUrl")) return "edge";
  return keys.has("store") ? "collector" : undefined;
}

export function readZoneFile(file: string): unknown {
  try {
    if (statSync(file).size > maxBytes) throw new Error(`larger than ${maxBytes} bytes`);
    return parse(readFileSync(file, "utf8"), { maxAliasCount: 50 });
  } catch (cause) {
    const why = (cause as NodeJS.ErrnoException).code ?? (cause as Error).message;
    throw new CommandFailure("config", `${file} cannot be read: ${why}`, { fix: "name a zone's settings" });
  }
}

/** The facts of one file, with what it names on disk. Paths are relative to the file's folder. */
export function zoneFacts(file: string, zone: ZoneFacts["zone"], settings: unknown): ZoneFacts {
  const path = (text: string) => resolve(dirname(resolve(file)), text);
  const keys = (edges: z.output<typeof Edges>) => {
    const files = typeof edges === "string" ? pemFilesIn(path(edges)) : edges;
    return new Map(Object.entries(files).map(([edge, key]) => [edge, publicKeyIn(path(key))]));
  };
  switch (zone) {
    case "edge": {
      const { instance, tenant, publicUrl, tokens, signingKey, enrolments } = Edge.parse(settings);
      const keyFile = typeof signingKey === "string" ? signingKey : signingKey.file;
      return {
        ...{ file, zone, instance, tenant, publicUrl, issuer: tokens.issuer },
        publicKey: publicKeyIn(path(keyFile)),
        enrolments: readEnrolments(path(enrolments)),
      };
    }
    case "connector":
    case "runner": {
      const { instance, tenant, tokens, edges } = Gate.parse(settings);
      return {
        ...{ file, zone, instance, tenant, issuer: tokens.issuer, publicUrl: tokens.publicUrl ?? "" },
        edges: keys(edges),
        servers: new Map(zone === "runner" ? poolsOf(settings) : serversOf(settings)),
      };
    }
    case "broker": {
      const { instance, tenant, edges, enrolments, credentials, rules } = Broker.parse(settings);
      const ruled = RuleFile.parse(readZoneFile(path(rules)));
      return {
        ...{ file, zone, instance, tenant, edges: keys(edges), rules: ruled.rules },
        enrolments: readEnrolments(path(enrolments)),
        credentials: Object.keys(credentials),
      };
    }
    case "collector":
      return { file, zone, instance: Collector.parse(settings).instance };
  }
}

/** Edge → file, of a folder that has `{edge}.pem`. */
function pemFilesIn(folder: string): Record<string, string> {
  const names = readdirSync(folder).filter((name) => name.endsWith(".pem"));
  return Object.fromEntries(names.map((name) => [name.slice(0, -4), join(folder, name)]));
}

type Offered = readonly [server: string, credentials: readonly string[]];

function serversOf(settings: unknown): Offered[] {
  return Object.entries(Connector.parse(settings).servers).map(([name, { credential }]) => [
    name,
    credential === undefined ? [] : [credential.name],
  ]);
}

function poolsOf(settings: unknown): Offered[] {
  const { pools, workers = {} } = Runner.parse(settings);
  return [
    ...Object.entries(pools).map(([name, { egress }]): Offered => {
      const placed = Object.values(egress?.credentials ?? {}).map(({ credential }) => credential);
      return [name, [...new Set(placed)]];
    }),
    ...Object.keys(workers).map((name): Offered => [name, []]),
  ];
}

/** The public key in a PEM file, also of a private one, as SPKI; undefined when it cannot be read from here. */
function publicKeyIn(file: string): string | undefined {
  try {
    const key: KeyObject = createPublicKey(readFileSync(file));
    return key.export({ format: "der", type: "spki" }).toString("base64");
  } catch {
    return undefined;
  }
}
