import { event } from "../shape/contract.ts";

/** OTLP protobuf (`ExportTraceServiceRequest` and so on); {signal} is traces, metrics or logs. It may be dropped. */
export const telemetryExport = event({
  subject: "telemetry.v1.{zone}.{instance}.{signal}",
  maxBytes: 768 * 1024,
  publishedBy: ["edge", "connector", "runner", "broker", "collector"],
  heardBy: ["collector"],
});
