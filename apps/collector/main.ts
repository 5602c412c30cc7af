import { readFileSync } from "node:fs";
import { announce, serve, subscribeBytes } from "@sallyport/bus";
import { readTrace, telemetryExport } from "@sallyport/contracts";
import { runApp } from "@sallyport/runtime";
import { exportTelemetry, joinRelay } from "@sallyport/zone";
import { readTraceHandler } from "./src/answer.ts";
import { openBackend } from "./src/backend.ts";
import { collectorConfig } from "./src/config.ts";
import { Forward } from "./src/forward.ts";
import { checkSender, readSpans } from "./src/receive.ts";
import { Store } from "./src/store.ts";

const queue = {
  maxCount: 1024,
  maxBytes: 32 * 1024 ** 2,
  maxAgeMs: 300_000,
  firstPauseMs: 500,
  maxPauseMs: 30_000,
};

await runApp("collector", async (app) => {
  const config = await app.config(collectorConfig);
  const who = { zone: "collector", instance: config.instance } as const;

  const { file, maxSpans, maxAge, maxBytes } = config.store;
  const store = app.use(new Store({ file, maxSpans, maxAgeMs: maxAge, maxBytes }), "store");

  const backends = config.forward.map(({ url, caFile, secretHeader, timeout }) => {
    const headers = async (): Promise<Record<string, string>> =>
      secretHeader === undefined
        ? {}
        : { [secretHeader.name]: (await secretHeader.value.read()).revealText() };
    const ca = caFile === undefined ? {} : { ca: readFileSync(caFile, "utf8") };
    const backend = openBackend({ url, headers, timeoutMs: timeout, ...ca });
    return app.use(new Forward(backend, queue, app.log), `forward to ${backend.name}`);
  });

  const bus = await joinRelay(app, who, config.nats);

  // Shared: where several collectors run, each payload reaches the backends once.
  app.use(
    subscribeBytes(bus, telemetryExport, {
      shared: true,
      news: (payload, { zone, instance, signal }) => {
        checkSender(payload, { zone, instance, signal });
        for (const backend of backends) backend.send(signal, payload);
        if (signal === "traces") store.add(readSpans(payload, { zone, instance }));
      },
    }),
    "telemetry intake",
  );
  app.use(serve(bus, readTrace, readTraceHandler({ store })), "trace answers");
  exportTelemetry(app, bus, config.telemetry);
  app.use(announce(bus, { version: app.version, news: () => ({}) }), "presence");
});
