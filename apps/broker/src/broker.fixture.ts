import { generateKeyPairSync, type KeyObject } from "node:crypto";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { auditWriter, recorder } from "@sallyport/audit";
import { append, type Bus, connectBus, openBucket, request, serve } from "@sallyport/bus";
import {
  auditLog,
  CredentialMaterial,
  claimSessions,
  leaseBinding,
  leaseCredential,
  leaseLedger,
  releaseLeases,
  revocations,
  type ZoneInstance,
} from "@sallyport/contracts";
import { type GrantFacts, signGrant, verifyGrant } from "@sallyport/grant";
import { createTrust, issueUser, provisionStreams, serverConfig } from "@sallyport/infra-nats";
import { generateRecipientKey, openBox, openEnrolments, type RecipientKeyPair } from "@sallyport/seal";
import { type NatsServer, type Postgres, startNats, startPostgres } from "@sallyport/testkit";
import { claimSessionsHandler } from "./claim-sessions.ts";
import type { CredentialSpec } from "./config.ts";
import { credentialSources } from "./credential-sources.ts";
import { cutOff } from "./cut-off.ts";
import { keepLeases } from "./keep-leases.ts";
import { leaseCredentialHandler } from "./lease-credential.ts";
import { openLedger } from "./lease-ledger.ts";
import { LeaseRules } from "./lease-rules.ts";
import type { LeaseTimes } from "./lease-times.ts";
import { leaseRecorder } from "./record-lease.ts";
import { releaseLeasesHandler } from "./release-leases.ts";
import { openRevocations } from "./revocation-list.ts";
import { vaultLeases } from "./vault/leases.ts";
import { openFixtureVault, quiet, startVaultFixture, type VaultFixture } from "./vault/vault.fixture.ts";

export const tenant = "acme";
/** Vault's leases live 4 s here, and everything that keeps them is quicker in proportion. */
const shortTimes: LeaseTimes = {
  livenessSeconds: 2,
  vaultTtlSeconds: 4,
  renewAfterSeconds: 1,
  sweepEveryMs: 200,
};

export const vaultTtlMs = shortTimes.vaultTtlSeconds * 1000;

const credentials: Record<string, CredentialSpec> = {
  "crm-token": { kind: "kv", mount: "secret", path: "apps/crm", field: "token", refresh: 300_000 },
  "orders-db": { kind: "database", mount: "database", role: "orders" },
  "slow-db": { kind: "database", mount: "database", role: "forgetful" },
  "lost-token": { kind: "kv", mount: "secret", path: "apps/none", field: "token", refresh: 300_000 },
};

/** Real neighbours: NATS with a user per instance, OpenBao, PostgreSQL with dynamic users. */
export interface Stack {
  nats: NatsServer;
  vault: VaultFixture;
  postgres: Postgres;
  folder: string;
  /** Connects in the name of an instance. Closed with the stack. */
  join(who: ZoneInstance): Promise<Bus>;
  credsFile(who: ZoneInstance): Promise<string>;
  edgeKey: { privateKey: KeyObject; publicKey: KeyObject };
  connectorKeys: Record<"c1" | "c2", RecipientKeyPair>;
  /** A grant as the edge `e1` signs it. */
  grant(about?: Partial<GrantFacts>, by?: KeyObject): Promise<string>;
  /** The names of the database users that Vault made and that can still log in. */
  databaseUsers(): Promise<string[]>;
  close(): Promise<void>;
}

export async function startStack(): Promise<Stack> {
  const trust = await createTrust({ name: "broker-test" });
  const jetstream = { dir: "jetstream", syncAlways: false, maxBytes: 256 * 1024 * 1024 };
  const [nats, vault, postgres] = await Promise.all([
    startNats({ jetstream: false, config: serverConfig(trust, { jetstream }) }),
    startVaultFixture(),
    startPostgres(),
  ]);
  const folder = await mkdtemp(join(tmpdir(), "broker-"));
  const buses: Bus[] = [];
  const creds = await issueUser(trust, "provisioner");
  await provisionStreams({
    servers: [nats.url],
    creds,
    maxBytes: { log: 32 * 1024 * 1024, bucket: 16 * 1024 * 1024 },
  });
  await provisionDatabase(vault, postgres);
  await vault.admin("POST", "secret/data/apps/crm", { data: { token: "crm-token-value-1" } });
  const connectorKeys = { c1: await generateRecipientKey(), c2: await generateRecipientKey() };
  await mkdir(join(folder, "enrolments"));
  for (const [connector, { publicKey }] of Object.entries(connectorKeys)) {
    const text = JSON.stringify({ connector, publicKey, servers: ["orders", "crm"] });
    await writeFile(join(folder, "enrolments", `${connector}.json`), text);
  }
  const edgeKey = generateKeyPairSync("ed25519");
  const credsFile: Stack["credsFile"] = async (who) => {
    const file = join(folder, `${who.zone}-${who.instance}.creds`);
    await writeFile(file, await issueUser(trust, who), { mode: 0o600 });
    return file;
  };
  return {
    ...{ nats, vault, postgres, folder, edgeKey, connectorKeys, credsFile },
    join: async (who) => {
      const bus = await connectBus({
        servers: [nats.url],
        who,
        credentials: { creds: await credsFile(who) },
        log: quiet,
      });
      buses.push(bus);
      return bus;
    },
    grant: (about = {}, by = edgeKey.privateKey) => {
      const issuedAt = about.issuedAt ?? new Date();
      const usual: GrantFacts = {
        ...{ id: "grant-1", edge: "e1", agent: "billing-bot", tenant, server: "orders", scopes: [] },
        ...{
          tokenHash: "h".repeat(43),
          tokenIssuer: "https://issuer.example",
          connector: "c1",
          session: "seal-1",
        },
        ...{ issuedAt, expiresAt: new Date(+issuedAt + 300_000) },
      };
      return signGrant({ ...usual, ...about }, { key: by, keyId: about.edge ?? "e1" });
    },
    databaseUsers: async () => {
      const sql = "select rolname from pg_roles where rolname like 'v-%' and rolvaliduntil > now()";
      return (await postgres.query(sql)).map((row) => String(row.rolname));
    },
    close: async () => {
      await Promise.all(buses.map((bus) => bus.close()));
      await Promise.all([nats.stop(), vault.close(), postgres.stop()]);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function provisionDatabase(
  { admin }: VaultFixture,
  { port, superuser, password }: Postgres,
): Promise<void> {
  await admin("POST", "sys/mounts/database", { type: "database" });
  await admin("POST", "database/config/orders", {
    plugin_name: "postgresql-database-plugin",
    allowed_roles: "*",
    connection_url: `postgresql://{{username}}:{{password}}@127.0.0.1:${port}/postgres?sslmode=disable`,
    username: superuser,
    password,
  });
  const role = {
    db_name: "orders",
    creation_statements: [
      `CREATE ROLE "{{name}}" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}';`,
    ],
    max_ttl: "1h",
  };
  await admin("POST", "database/roles/orders", { ...role, default_ttl: "4s" });
  await admin("POST", "database/roles/kept", { ...role, default_ttl: "40s" });
  await admin("POST", "database/roles/forgetful", { ...role, default_ttl: "10m" });
}

const rules = LeaseRules.parse({
  rules: [
    { id: "orders", credential: "orders-db", servers: ["orders"], agents: ["billing-*"], maxTtlSeconds: 600 },
    { id: "crm", credential: "crm-token", servers: ["crm", "orders"], agents: "*", maxTtlSeconds: 60 },
    { id: "slow", credential: "slow-db", servers: ["orders"], agents: "*", maxTtlSeconds: 600 },
    { id: "lost", credential: "lost-token", servers: ["orders"], agents: "*", maxTtlSeconds: 600 },
  ],
}).rules;

export interface TestBroker {
  bus: Bus;
  /** Reads the folder of enrolments again, as a broker does every second. */
  hearOfEnrolments(): void;
  /** Ends like a killed process: nothing is finished, given back or said. */
  crash(): Promise<void>;
}

/** The broker's parts as `main.ts` puts them together, with short times. */
export async function startBroker(
  stack: Stack,
  options: {
    instance?: string;
    limits?: { leasesPerSession: number; leasesPerConnector: number };
    /** The stream that has to say that it stored a record. */
    auditStream?: string;
    sweepEveryMs?: number;
  } = {},
): Promise<TestBroker> {
  const who = { zone: "broker", instance: options.instance ?? "b1" } as const;
  const bus = await stack.join(who);
  const now = () => new Date();
  const times = { ...shortTimes, sweepEveryMs: options.sweepEveryMs ?? shortTimes.sweepEveryMs };
  const log = { ...auditLog, stream: options.auditStream ?? auditLog.stream };
  const audit = auditWriter({
    publish: (bytes, messageId) => append(bus, log, { params: who, bytes, messageId, timeoutMs: 500 }),
  });
  const record = leaseRecorder(audit, recorder(who));
  const vault = await openFixtureVault(stack.vault);
  const leases = vaultLeases(vault);
  const source = credentialSources(credentials, { vault, leases, maxVaultTtlSeconds: times.vaultTtlSeconds });
  const ledger = await openLedger(await openBucket(bus, leaseLedger));
  const revoked = await openRevocations(await openBucket(bus, revocations));
  const ending = { ledger, vaultLeases: leases, record, tenant, now, log: quiet };
  const enrolments = openEnrolments(join(stack.folder, "enrolments"));
  enrolments.reload();
  const { isCutOff, reload } = cutOff(enrolments);
  const keeper = keepLeases({
    ...ending,
    revoked,
    times,
    isCutOff,
    connected: () => bus.connected(),
  });
  const served = [
    serve(bus, releaseLeases, releaseLeasesHandler(ending)),
    serve(bus, claimSessions, claimSessionsHandler({ ledger, times, now })),
    serve(
      bus,
      leaseCredential,
      leaseCredentialHandler({
        ...{ ...ending, rules, revoked, source },
        limits: options.limits ?? { leasesPerSession: 100, leasesPerConnector: 100 },
        enrolled: enrolments.of("connector").get,
        verifyGrant: (grant, expected) =>
          verifyGrant(grant, {
            ...{ ...expected, tenant },
            edgeKey: (edge) => (edge === "e1" ? stack.edgeKey.publicKey : undefined),
          }),
      }),
    ),
  ];
  await bus.nats.flush(); // the subscriptions are at the server: whoever asks now is heard
  return {
    bus,
    hearOfEnrolments: () => void reload(),
    crash: async () => {
      await bus.nats.close();
      await keeper.close();
      vault.close();
      await Promise.all(served.map((one) => one.close()));
    },
  };
}

/** What a connector does with the broker. */
export function testConnector(stack: Stack, bus: Bus, connector: "c1" | "c2" = "c1") {
  const params = { connector };
  return {
    lease: async (ask: {
      credential: string;
      session: string;
      grant?: string;
      sealSession?: string;
      server?: string;
    }) => {
      const { credential, session, sealSession = "seal-1", server = "orders" } = ask;
      const grant = ask.grant ?? (await stack.grant({ server, connector, session: sealSession }));
      const answer = await request(bus, leaseCredential, {
        params,
        input: { grant, credential, session, sealSession },
        timeoutMs: 5_000,
      });
      const info = leaseBinding({
        leaseId: answer.leaseId,
        connector,
        sealSession,
        session,
        server,
        credential,
      });
      const open = async (key = stack.connectorKeys[connector].privateKey, as = info) => {
        const plain = await openBox(key, Buffer.from(answer.sealed, "base64url"), as);
        return CredentialMaterial.parse(JSON.parse(Buffer.from(plain).toString("utf8")));
      };
      return { ...answer, open };
    },
    claim: (sessions: string[]) =>
      request(bus, claimSessions, { params, input: { boot: "boot-1", sessions }, timeoutMs: 5_000 }),
    release: (session: string) =>
      request(bus, releaseLeases, { params, input: { session }, timeoutMs: 5_000 }),
  };
}
