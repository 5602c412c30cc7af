/**
 * What every zone does first, whatever it is for: it joins the relay under its own name, sends its telemetry there, and
 * hears there what is revoked.
 *
 * `bus` and `runtime` know nothing of each other; here a process of the one gets a connection of the other.
 */
export { edgesSetting } from "./src/edges-setting.ts";
export { exportTelemetry } from "./src/export-telemetry.ts";
export { followFiles } from "./src/follow-files.ts";
export { followRevocations } from "./src/follow-revocations.ts";
export { issuerSettings, oneSourceOfKeys } from "./src/issuer-settings.ts";
export { joinRelay } from "./src/join-relay.ts";
export { httpProxy, natsSettings, proxyOf, roadOf } from "./src/nats-settings.ts";
