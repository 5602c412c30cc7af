import { auditWriter, recorder } from "@sallyport/audit";
import { announce, append, openBucket, serve } from "@sallyport/bus";
import {
  auditLog,
  claimForSandboxes,
  claimSessions,
  leaseCredential,
  leaseForSandbox,
  leaseLedger,
  releaseForSandbox,
  releaseLeases,
  revocations,
} from "@sallyport/contracts";
import { openEdgeKeys, verifyGrant } from "@sallyport/grant";
import { BootError, runApp } from "@sallyport/runtime";
import { openEnrolments } from "@sallyport/seal";
import { exportTelemetry, followFiles, joinRelay } from "@sallyport/zone";
import { claimSessionsHandler } from "./src/claim-sessions.ts";
import { brokerConfig, loadRules } from "./src/config.ts";
import { credentialSources } from "./src/credential-sources.ts";
import { cutOff } from "./src/cut-off.ts";
import { every } from "./src/every.ts";
import { keepLeases } from "./src/keep-leases.ts";
import { leaseCredentialHandler } from "./src/lease-credential.ts";
import { openLedger } from "./src/lease-ledger.ts";
import { leaseTimes } from "./src/lease-times.ts";
import { ofRunner } from "./src/of-runner.ts";
import { leaseRecorder } from "./src/record-lease.ts";
import { releaseLeasesHandler } from "./src/release-leases.ts";
import { openRevocations } from "./src/revocation-list.ts";
import { openVault } from "./src/vault/open-vault.ts";

await runApp("broker", async (app) => {
  const config = await app.config(brokerConfig);
  const { tenant, limits } = config;
  const { log } = app;
  const who = { zone: "broker", instance: config.instance } as const;
  const now = () => new Date();
  const times = leaseTimes;

  const rules = loadRules(config);
  const edges = openEdgeKeys(config.edges);
  const [wrong] = edges.reload();
  if (wrong !== undefined) {
    const fix = "give the edge's Ed25519 public key as PEM";
    throw new BootError(wrong, { setting: "edges", fix });
  }
  const enrolments = openEnrolments(config.enrolments);
  const [problem] = enrolments.reload();
  if (problem !== undefined) throw new BootError(problem, { setting: "enrolments" });
  const former = cutOff(enrolments);

  const bus = await joinRelay(app, who, config.nats);
  exportTelemetry(app, bus, config.telemetry);
  const audit = app.use(
    auditWriter({
      publish: (bytes, messageId) =>
        append(bus, auditLog, { params: who, bytes, messageId, timeoutMs: 1_000 }),
    }),
    "audit",
  );
  const record = leaseRecorder(audit, recorder(who));

  const { vault, leases: vaultLeases } = app.use(await openVault(config.vault, log), "vault");
  const source = credentialSources(config.credentials, {
    vault,
    leases: vaultLeases,
    maxVaultTtlSeconds: times.vaultTtlSeconds,
  });
  const ledger = app.use(await openLedger(await openBucket(bus, leaseLedger)), "ledger");
  const revoked = app.use(await openRevocations(await openBucket(bus, revocations)), "revocations");
  const ending = { ledger, vaultLeases, record, tenant, now, log };
  app.use(
    keepLeases({ ...ending, revoked, times, isCutOff: former.isCutOff, connected: () => bus.connected() }),
    "leases",
  );

  app.health.check("vault", () => {
    const fault = vault.problem();
    return fault === undefined ? "ok" : { problem: fault };
  });
  app.use(
    every(1_000, () => {
      for (const fault of former.reload())
        log.error({ fault }, "an enrolment is not valid and enrols nobody");
    }),
    "enrolments",
  );
  const edgeFiles = typeof config.edges === "string" ? [config.edges] : Object.values(config.edges);
  followFiles(app, { name: "edges", paths: edgeFiles, read: edges.reload });
  app.use(
    announce(bus, {
      version: app.version,
      news: () => {
        const fault = vault.problem();
        return fault === undefined ? {} : { problems: [fault.slice(0, 300)] };
      },
    }),
    "presence",
  );

  const release = releaseLeasesHandler(ending);
  const claim = claimSessionsHandler({ ledger, times, now });
  const lease = (zone: "connector" | "runner") =>
    leaseCredentialHandler({
      ...{ ...ending, limits, rules, revoked, source },
      enrolled: enrolments.of(zone).get,
      verifyGrant: (grant, expected) => verifyGrant(grant, { ...expected, tenant, edgeKey: edges.of }),
    });
  app.use(serve(bus, releaseLeases, release), "release");
  app.use(serve(bus, claimSessions, claim), "claim");
  app.use(serve(bus, leaseCredential, lease("connector")), "lease");
  app.use(serve(bus, releaseForSandbox, ofRunner(release)), "release to runners");
  app.use(serve(bus, claimForSandboxes, ofRunner(claim)), "claim of runners");
  app.use(serve(bus, leaseForSandbox, ofRunner(lease("runner"))), "lease to runners");
});
