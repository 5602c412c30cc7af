import { stream } from "../shape/contract.ts";

/**
 * The road between one edge and one connector instance. It carries hellos and sealed records, nothing in clear.
 * Identity is the subject: NATS permissions pin {edge} for the edge and {connector} for the connector.
 */
export const exchangeRoad = stream({
  up: "tunnel.v1.up.{connector}.{edge}",
  down: "tunnel.v1.down.{edge}.{connector}",
  caller: "edge",
  server: "connector",
  maxBytes: 512 * 1024,
});

/** The same road to a runner, whose servers are sandboxes. */
export const sandboxRoad = stream({
  up: "sandbox.v1.up.{runner}.{edge}",
  down: "sandbox.v1.down.{edge}.{runner}",
  caller: "edge",
  server: "runner",
  maxBytes: 512 * 1024,
});
