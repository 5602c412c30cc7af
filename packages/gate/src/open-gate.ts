import { announce, type Bus, defaultLimits, openRoad } from "@sallyport/bus";
import type { SandboxReport, StreamContract } from "@sallyport/contracts";
import { issuerKeys, revocations, tokenVerifier } from "@sallyport/grant";
import type { App } from "@sallyport/runtime";
import { followFiles, followRevocations } from "@sallyport/zone";
import type { GateZone } from "./call.ts";
import { CallsInProgress } from "./calls-in-progress.ts";
import type { Leases } from "./credentials/leases.ts";
import { Doors } from "./doors.ts";
import { followPolicies } from "./follow-policies.ts";
import { handleExchange } from "./handle-exchange.ts";
import type { AuditLog } from "./open-audit.ts";
import type { Server } from "./server.ts";
import { sessionNames } from "./session-names.ts";
import type { GateMaterial, GateSettings } from "./settings.ts";

const sweepMs = 1_000;

export interface GateParts extends GateMaterial {
  bus: Bus;
  /** New at each start of the process. */
  boot: string;
  settings: Omit<GateSettings, "privateKey" | "edges" | "policies" | "nats">;
  drainMs: number;
  /** The road that edges call this zone on. */
  road: StreamContract;
  servers: ReadonlyMap<string, Server>;
  /** Of a runner: what it announces of its sandboxes. */
  sandboxes?: SandboxReport;
  leases: Pick<Leases, "cached" | "use" | "end">;
  audit: AuditLog;
}

/**
 * Opens this instance's end of the tunnels, says what it offers, and keeps to what is revoked. Open it last: what it
 * opens closes first, and calls in progress end while all that they need is still there.
 */
export async function openGate(app: App, parts: GateParts): Promise<void> {
  const { bus, audit, edges, privateKeys, servers, settings } = parts;
  const { instance } = bus.who;
  const zone: GateZone = bus.who.zone === "runner" ? "runner" : "connector";
  const { tenant, tokens } = settings;
  const now = () => new Date();
  app.addGrace(parts.drainMs);
  followPolicies(app, parts.policies);
  followFiles(app, { name: "keys", paths: parts.keyFiles, read: parts.reload });

  const calls = new CallsInProgress(zone);
  const revoked = revocations();
  const doors = new Doors({
    zone,
    connector: instance,
    privateKeys,
    edgeKeys: (edge) => edges.of(edge),
    road: { send: (peer, bytes) => road.send(peer, bytes), atTurnEnd: (job) => road.atTurnEnd(job) },
    checks: {
      connector: instance,
      tenant,
      edgeKeys: (edge) => edges.of(edge),
      verifyToken: tokenVerifier({
        issuer: tokens.issuer,
        audience: (server) => `${tokens.publicUrl}/mcp/${server}`,
        keys: issuerKeys(tokens, (err) =>
          app.log.warn({ err, url: tokens.jwksUrl }, "the issuer's keys could not be fetched"),
        ),
        now,
      }),
      isRevoked: (grant) => revoked.isRevoked(grant, now()),
      now,
    },
    log: app.log,
    now,
    call: (exchange, grants) => void handleExchange(exchangeDeps, exchange, grants),
    granted: ({ facts: { agent, user, server, id, tenant } }) =>
      audit.append({ kind: "grant", event: "opened", agent, user, server, grant: id, tenant }),
  });
  const exchangeDeps = {
    ...{ zone, tenant, servers, calls, audit, policies: parts.policies, leases: parts.leases, log: app.log },
    sessions: sessionNames(instance, privateKeys),
    maxBodyBytes: defaultLimits.maxRequestBytes,
  };
  const road = app.use(
    openRoad(bus, parts.road, { message: (peer, bytes) => doors.message(peer, bytes) }),
    "road",
  );
  app.use({ close: async () => doors.close() }, "tunnels");

  await followRevocations(app, bus, (revocation) => {
    revoked.add(revocation, now());
    doors.sweep();
  });

  const presence = app.use(
    announce(bus, {
      version: app.version,
      boot: parts.boot,
      news: () => ({
        ...(parts.sandboxes === undefined ? {} : { sandboxes: parts.sandboxes }),
        servers: [...servers.values()].map(({ name, upstream }) => {
          const problem = calls.draining ? `the ${zone} is draining` : upstream.problem();
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
  const drain = async () => {
    const drained = calls.drain(parts.drainMs);
    presence.now();
    const left = await drained;
    if (left > 0) app.log.warn({ left }, "calls did not end within limits.drain, and are broken off");
  };
  app.use({ close: drain }, "calls in progress");

  app.health.check("edges", () => (doors.size > 0 ? "ok" : { problem: "no edge has opened a tunnel" }));
}
