import { announce, openRoad, subscribe } from "@sallyport/bus";
import { exchangeRoad, presence, sandboxRoad } from "@sallyport/contracts";
import { issuerKeys, revocations, type TokenFacts, tokenVerifier } from "@sallyport/grant";
import { BootError, runApp } from "@sallyport/runtime";
import { openEnrolments } from "@sallyport/seal";
import { openStore, serveWork } from "@sallyport/work";
import { exportTelemetry, followRevocations, joinRelay } from "@sallyport/zone";
import { defaultRequirements, edgeConfig } from "./src/config.ts";
import { answerQuestion } from "./src/environment/answer-question.ts";
import { openWorkApi } from "./src/environment/open-work-api.ts";
import { type CallDeps, handleCall } from "./src/handle-call.ts";
import { listen } from "./src/http/listen.ts";
import { resourceOf } from "./src/http/metadata.ts";
import { openSigningKey } from "./src/signing-key.ts";
import { authenticator } from "./src/token/authenticate.ts";
import { router } from "./src/tunnel/router.ts";
import { Tunnels } from "./src/tunnel/tunnels.ts";

const sweepMs = 2_000;

await runApp("edge", async (app) => {
  const config = await app.config(edgeConfig);
  app.addGrace(config.limits.drain);
  const who = { zone: "edge", instance: config.instance } as const;
  const now = () => new Date();

  const bus = await joinRelay(app, who, config.nats);
  exportTelemetry(app, bus, config.telemetry);

  const enrolments = openEnrolments(config.enrolments);
  const [problem] = enrolments.reload();
  if (problem !== undefined) throw new BootError(problem, { setting: "enrolments" });

  const signingKey = await openSigningKey(app, config.signingKey);
  const revoked = revocations();
  const isRevoked = (facts: TokenFacts, server: string, id = "") =>
    revoked.isRevoked({ id, session: "", tokenHash: facts.hash, agent: facts.agent, server }, now()) !==
    undefined;
  const openTunnels = (zone: "connector" | "runner"): Tunnels => {
    const tunnels = new Tunnels(enrolments.of(zone), {
      zone,
      road: { send: (peer, bytes) => road.send(peer, bytes), atTurnEnd: (job) => road.atTurnEnd(job) },
      signer: {
        ...{ edge: config.instance, tenant: config.tenant, now },
        get key() {
          return signingKey.current;
        },
      },
      log: app.log,
    });
    const road = app.use(
      openRoad(bus, zone === "runner" ? sandboxRoad : exchangeRoad, {
        message: (peer, bytes) => tunnels.message(peer, bytes),
      }),
      `road to ${zone}s`,
    );
    app.use({ close: async () => tunnels.close() }, `tunnels to ${zone}s`);
    signingKey.onChange(() => tunnels.openAnew());
    app.use(
      subscribe(bus, presence, {
        pinned: { zone },
        news: (body, { instance }) => tunnels.heard(instance, body),
      }),
      `presence of ${zone}s`,
    );
    return tunnels;
  };
  const runnerEnrolments = enrolments.of("runner");
  const connectors = openTunnels("connector");
  const runners = openTunnels("runner");
  const connected = () => [...connectors.connected(), ...runners.connected()];

  const work = { bus, store: await openStore(bus), now: Date.now };
  app.use(
    serveWork(bus, {
      ...work,
      mayServe: (runner, pool) => runnerEnrolments.get(runner)?.servers.includes(pool) ?? false,
    }),
    "work",
  );

  await followRevocations(app, bus, (revocation) => {
    revoked.add(revocation, now());
    for (const tunnels of [connectors, runners])
      tunnels.drop(({ facts, server, id }) => isRevoked(facts, server, id));
  });

  const { tokens } = config;
  const authenticate = authenticator({
    verify: tokenVerifier({
      issuer: tokens.issuer,
      audience: (server) => resourceOf(config.publicUrl, server),
      keys: issuerKeys(tokens, (err) =>
        app.log.warn({ err, url: tokens.jwksUrl }, "the issuer's keys could not be fetched"),
      ),
      now,
    }),
    isRevoked,
    publicUrl: config.publicUrl,
    now,
  });

  const sweep = setInterval(() => {
    connectors.sweep();
    runners.sweep();
    for (const fault of enrolments.reload())
      app.log.error({ fault }, "an enrolment is not valid and enrols nobody");
  }, sweepMs);
  app.use({ close: async () => clearInterval(sweep) }, "sweep");

  app.health.check("tunnels", () =>
    connected().length > 0 ? "ok" : { problem: "no enrolled connector is connected" },
  );

  const origin = new URL(config.publicUrl);
  const isEnvironment = (server: string) => config.environments.includes(server);
  const workApi =
    config.environments.length === 0
      ? undefined
      : await openWorkApi(app, {
          ...{ bus, tenant: config.tenant, host: origin.host },
          placeWithin: config.limits.placement,
        });
  const deps: CallDeps = {
    addressing: {
      hosts: new Set([origin.host]),
      origins: new Set([origin.origin, ...config.allowedOrigins]),
    },
    authenticate,
    route: router({
      connectors,
      runners,
      isPool: (server) => runnerEnrolments.knows(server),
      isEnvironment,
      work,
      tenant: config.tenant,
      requirements: (pool) => config.sandboxes[pool] ?? defaultRequirements,
      placeWithin: config.limits.placement,
    }),
    answerer: ({ server: environment, runner, traceparent }) => {
      if (workApi === undefined || !isEnvironment(environment)) return undefined;
      const { environments } = workApi;
      return (question, signal) =>
        answerQuestion({ environments, environment, runner, traceparent, signal }, question);
    },
    limits: config.limits,
    publicUrl: config.publicUrl,
  };
  const server = app.use(
    await listen({
      ...config.listen,
      tls: config.listen.tls,
      publicUrl: config.publicUrl,
      issuer: tokens.issuer,
      limits: config.limits,
      call: (call) => handleCall(deps, call),
      ...(workApi ? { workApi: (call) => workApi.call(call) } : {}),
    }),
    "http",
  );
  const demands = {
    pools: Object.entries(config.sandboxes).map(([name, requirements]) => ({ name, requirements })),
    otherwise: defaultRequirements,
  };
  app.use(
    announce(bus, {
      version: app.version,
      news: () => ({
        demands,
        ...(connected().length > 0 ? {} : { problems: ["no enrolled connector is connected"] }),
      }),
    }),
    "presence",
  );
  app.log.info({ port: server.port, url: config.publicUrl }, "agents can call");
});
