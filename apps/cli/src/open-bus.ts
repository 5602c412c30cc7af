import { type Bus, type BusLog, connectBus, type RelayRoad } from "@sallyport/bus";
import { ServiceError } from "@sallyport/contracts";
import { CommandFailure } from "./command-failure.ts";

export interface OperatorNats extends RelayRoad {
  servers: readonly string[];
  /** Path of the creds file of `operator/{instance}`. */
  creds: string;
  instance: string;
}

const silent: BusLog = { info: () => {}, warn: () => {}, error: () => {} };

/** NATS in the operator's name. A command does not wait for a server that is away. */
export async function openBus(nats: OperatorNats, log: BusLog = silent): Promise<Bus> {
  const { servers, creds, instance, ...road } = nats;
  try {
    return await connectBus({
      servers,
      who: { zone: "operator", instance },
      credentials: { creds },
      ...road,
      log,
      patienceMs: 0,
    });
  } catch (error) {
    throw explained(error);
  }
}

function explained(error: unknown): unknown {
  if (!(error instanceof ServiceError)) return error;
  if (error.code === "unavailable") {
    const fix = "start the NATS server, or correct the address";
    return new CommandFailure("unavailable", error.message, { setting: "nats.servers", fix, cause: error });
  }
  // Of the road to it (a certificate, a proxy) the message itself says which setting and what to do.
  const aboutCreds = error.message.endsWith("check nats.creds");
  const fix = "issue creds for this operator with `pnpm infra:nats --zone operator --instance NAME`";
  return new CommandFailure("refused", error.message, {
    ...(aboutCreds ? { setting: "nats.creds", fix } : { setting: "nats.servers" }),
    cause: error,
  });
}
