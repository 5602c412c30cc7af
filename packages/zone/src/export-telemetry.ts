import { type Bus, publish } from "@sallyport/bus";
import { telemetryExport } from "@sallyport/contracts";
import { type App, startTelemetry } from "@sallyport/runtime";

/** Spans and metrics of this process go over the bus. What is opened after it can be seen in them. */
export function exportTelemetry(app: App, bus: Bus, { sampleRatio }: { sampleRatio: number }): void {
  const { zone, instance } = bus.who;
  app.use(
    startTelemetry({
      ...{ zone, instance, version: app.version, sampleRatio, log: app.log },
      publish: (signal, body) => publish(bus, telemetryExport, { params: { zone, instance, signal }, body }),
    }),
    "telemetry",
  );
}
