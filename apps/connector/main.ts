import { randomUUID } from "node:crypto";
import { exchangeRoad } from "@sallyport/contracts";
import { brokerClient, Leases, openAudit, openGate, readGateMaterial } from "@sallyport/gate";
import { runApp } from "@sallyport/runtime";
import { exportTelemetry, joinRelay } from "@sallyport/zone";
import { connectorConfig } from "./src/config.ts";
import { openServers } from "./src/servers.ts";

await runApp("connector", async (app) => {
  const config = await app.config(connectorConfig);
  const who = { zone: "connector", instance: config.instance } as const;
  const boot = randomUUID();
  const material = await readGateMaterial(config);

  const bus = await joinRelay(app, who, config.nats);
  exportTelemetry(app, bus, config.telemetry);
  const audit = openAudit(app, bus);

  const { privateKeys } = material;
  const leases = new Leases(
    brokerClient({ bus, connector: config.instance, boot, privateKeys, timeoutMs: config.limits.broker }),
  );
  app.use({ close: () => leases.close() }, "leases");
  const servers = await openServers(config.servers, { leases, log: app.log });
  for (const { upstream, name } of servers.values())
    app.use({ close: () => upstream.close() }, `server ${name}`);
  const claiming = new AbortController();
  app.use({ close: async () => claiming.abort() }, "claims");
  void leases.keepAlive({
    signal: claiming.signal,
    failed: (err) => app.log.warn({ err }, "the broker was not told which sessions live"),
  });

  await openGate(app, {
    ...{ ...material, bus, boot, servers, leases, audit, settings: config },
    road: exchangeRoad,
    drainMs: config.limits.drain,
  });
});
