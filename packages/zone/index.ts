/**
 * What every zone does first, whatever it is for: it joins the relay under its own name, and sends its telemetry there.
 *
 * `bus` and `runtime` know nothing of each other; here a process of the one gets a connection of the other.
 */
export { exportTelemetry } from "./src/export-telemetry.ts";
export { joinRelay } from "./src/join-relay.ts";
export { natsSettings } from "./src/nats-settings.ts";
