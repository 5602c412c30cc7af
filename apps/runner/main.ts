import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { sandboxRoad } from "@sallyport/contracts";
import { brokerClient, Leases, openAudit, openGate, readGateMaterial, toolGate } from "@sallyport/gate";
import { runApp } from "@sallyport/runtime";
import { buildAgent } from "@sallyport/sandbox-agent";
import { exportTelemetry, joinRelay } from "@sallyport/zone";
import { runnerConfig } from "./src/config.ts";
import { serveEnvironment } from "./src/environment/serve-environment.ts";
import { openRemotePool } from "./src/remote/open-remote-pool.ts";
import { openDriver } from "./src/sandboxes/open-driver.ts";
import { type OpenPool, openPool } from "./src/sandboxes/open-pool.ts";
import { sandboxesOutsideQueue } from "./src/sandboxes/outside-queue.ts";
import { PlacedSecrets } from "./src/sandboxes/placed-secrets.ts";
import { sandboxReport } from "./src/sandboxes/sandbox-report.ts";
import { sandboxTools } from "./src/tools/tool.ts";

await runApp("runner", async (app) => {
  const config = await app.config(runnerConfig);
  const who = { zone: "runner", instance: config.instance } as const;
  const boot = randomUUID();
  const material = await readGateMaterial(config);
  const driver = await openDriver(app, config);
  const agent = await buildAgent({ cacheFolder: join(config.state, "agent") });

  const bus = await joinRelay(app, who, config.nats);
  exportTelemetry(app, bus, config.telemetry);
  const audit = openAudit(app, bus);

  const { privateKeys } = material;
  const leases = new Leases(
    brokerClient({ bus, connector: config.instance, boot, privateKeys, timeoutMs: config.limits.broker }),
  );
  app.use({ close: () => leases.close() }, "leases");
  const claiming = new AbortController();
  app.use({ close: async () => claiming.abort() }, "claims");
  void leases.keepAlive({
    signal: claiming.signal,
    failed: (err) => app.log.warn({ err }, "the broker was not told which sandboxes live"),
  });
  const { tenant, state } = config;
  const { policies } = material;
  const placed = new PlacedSecrets();
  const pools = new Map<string, OpenPool>();
  for (const [name, pool] of Object.entries(config.pools)) {
    const parts = { name, pool, bus, driver, agent, state, tenant, policies, audit, placed, leases };
    pools.set(name, await openPool(app, parts));
  }
  const gate = toolGate({ tenant, policies, audit, scrubber: () => placed.everything, log: app.log });
  const sandboxes = sandboxesOutsideQueue({
    runner: config.instance,
    startIn: (pool) => pools.get(pool)?.start,
  });
  for (const settings of config.environments) {
    const { version, log } = app;
    const worker = `${config.instance}-${boot}`;
    const deps = { settings, worker, version, tools: sandboxTools, gate, sandboxes, log };
    const environment = app.use(await serveEnvironment(deps), `environment ${settings.environment}`);
    app.health.check(`environment ${settings.environment}`, () => {
      const problem = environment.problem();
      return problem === undefined ? "ok" : { problem };
    });
  }
  const servers = new Map([...pools].map(([name, { server }]) => [name, server]));
  for (const [name, pool] of Object.entries(config.workers))
    servers.set(name, openRemotePool(app, { name, pool, runner: config.instance }));

  await openGate(app, {
    ...{ ...material, bus, boot, servers, leases, audit, settings: config },
    road: sandboxRoad,
    sandboxes: sandboxReport(await driver.probe(), config.pools),
    drainMs: config.limits.drain,
  });
});
