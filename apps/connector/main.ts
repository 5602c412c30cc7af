import { createPublicKey, randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { type AuditFields, auditWriter, recorder } from "@sallyport/audit";
import { announce, append, connectBus, defaultLimits, openBucket, openRoad, publish } from "@sallyport/bus";
import { auditLog, exchangeRoad, revocations, telemetryExport } from "@sallyport/contracts";
import { brokerClient, CallsInProgress, Doors, handleExchange, Leases, sessionNames } from "@sallyport/gate";
import { jwksFromFile, jwksFromUrl, revocations as revocationList, tokenVerifier } from "@sallyport/grant";
import { loadPolicies } from "@sallyport/policy";
import { runApp, startTelemetry } from "@sallyport/runtime";
import { readPrivateKeyText } from "@sallyport/seal";
import { connectorConfig } from "./src/config.ts";
import { openServers } from "./src/servers.ts";

const sweepMs = 1_000;

await runApp("connector", async (app) => {
  const config = await app.config(connectorConfig);
  app.addGrace(config.limits.drain);
  const who = { zone: "connector", instance: config.instance } as const;
  const boot = randomUUID();
  const now = () => new Date();

  // What must be right before anything is opened: keys and policies.
  const privateKey = readPrivateKeyText((await config.privateKey.read()).revealText());
  const edges = new Map(
    Object.entries(config.edges).map(([edge, file]) => [edge, createPublicKey(readFileSync(file))]),
  );
  const policies = await loadPolicies(config.policies);

  const bus = app.use(
    await connectBus({
      servers: config.nats.servers,
      who,
      credentials: { creds: config.nats.creds },
      ...(config.nats.caFile === undefined ? {} : { tls: { caFile: config.nats.caFile } }),
      log: app.log,
    }),
    "nats",
  );
  app.use(
    startTelemetry({
      ...who,
      version: app.version,
      sampleRatio: config.telemetry.sampleRatio,
      log: app.log,
      publish: (signal, body) => publish(bus, telemetryExport, { params: { ...who, signal }, body }),
    }),
    "telemetry",
  );

  const record = recorder(who);
  const writer = app.use(
    auditWriter({
      publish: (bytes, messageId) =>
        append(bus, auditLog, { params: who, bytes, messageId, timeoutMs: 1_000 }),
    }),
    "audit",
  );
  const leases = new Leases(
    brokerClient({ bus, connector: config.instance, boot, privateKey, timeoutMs: config.limits.broker }),
  );
  app.use({ close: () => leases.close() }, "leases");
  const servers = await openServers(config.servers, { leases, log: app.log });
  for (const { upstream, name } of servers.values())
    app.use({ close: () => upstream.close() }, `server ${name}`);

  const calls = new CallsInProgress();
  const revoked = revocationList();
  const { tokens } = config;
  const doors = new Doors({
    connector: config.instance,
    privateKey,
    edgeKey: (edge) => edges.get(edge),
    road: { send: (peer, bytes) => road.send(peer, bytes), atTurnEnd: (job) => road.atTurnEnd(job) },
    checks: {
      connector: config.instance,
      tenant: config.tenant,
      edgeKey: (edge) => edges.get(edge),
      verifyToken: tokenVerifier({
        issuer: tokens.issuer,
        audience: (server) => `${tokens.publicUrl}/mcp/${server}`,
        keys:
          tokens.jwksUrl === undefined
            ? jwksFromFile(tokens.jwksFile as string)
            : jwksFromUrl(tokens.jwksUrl),
        now,
      }),
      isRevoked: (grant) => revoked.isRevoked(grant, now()),
      now,
    },
    log: app.log,
    now,
    call: (exchange, grants) => void handleExchange(exchangeDeps, exchange, grants),
    granted: async ({ facts }) => {
      const { agent, user, server, id, tenant } = facts;
      await writer.append(record({ kind: "grant", event: "opened", agent, user, server, grant: id, tenant }));
    },
  });
  const exchangeDeps = {
    tenant: config.tenant,
    servers,
    policies,
    sessions: sessionNames(config.instance, privateKey),
    leases,
    calls,
    audit: {
      append: (fields: AuditFields) => writer.append(record(fields)),
      appendLater: (fields: AuditFields) => writer.appendLater(record(fields)),
    },
    maxBodyBytes: defaultLimits.maxRequestBytes,
    log: app.log,
  };
  const road = app.use(
    openRoad(bus, exchangeRoad, { message: (peer, bytes) => doors.message(peer, bytes) }),
    "road",
  );
  app.use({ close: async () => doors.close() }, "tunnels");

  const bucket = await openBucket(bus, revocations);
  app.use(
    await bucket.watch((_key, entry) => {
      if (entry === undefined) return;
      const { kind, value } = entry.value;
      const until = new Date(entry.value.until);
      if (revoked.add({ kind, value, until }, now()) === "full")
        revoked.add({ kind: "everything", until }, now());
      doors.sweep();
    }),
    "revocations",
  );

  const presence = app.use(
    announce(bus, {
      version: app.version,
      boot,
      news: () => ({
        servers: [...servers.values()].map(({ name, upstream }) => {
          const problem = calls.draining ? "the connector is draining" : upstream.problem();
          return problem === undefined ? { name, ready: true } : { name, ready: false, problem };
        }),
      }),
    }),
    "presence",
  );
  const sweep = setInterval(() => {
    doors.sweep();
    calls.sweep();
  }, sweepMs);
  app.use({ close: async () => clearInterval(sweep) }, "sweep");
  const claiming = new AbortController();
  app.use({ close: async () => claiming.abort() }, "claims");
  void leases.keepAlive({
    signal: claiming.signal,
    failed: (err) => app.log.warn({ err }, "the broker was not told which sessions live"),
  });
  // The last to open, so the first to close: calls in progress end while all that they need is still there.
  const drain = async () => {
    const drained = calls.drain(config.limits.drain);
    presence.now();
    const left = await drained;
    if (left > 0) app.log.warn({ left }, "calls did not end within limits.drain, and are broken off");
  };
  app.use({ close: drain }, "calls in progress");

  app.health.check("nats", () => (bus.connected() ? "ok" : { problem: "NATS is away" }));
  app.health.check("edges", () => (doors.size > 0 ? "ok" : { problem: "no edge has opened a tunnel" }));
});
