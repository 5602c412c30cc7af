import { type Params, type RequestContract, ServiceError } from "@sallyport/contracts";
import type { z } from "zod";
import type { Bus } from "./connect.ts";
import { decodeReply, encodeJson } from "./wire.ts";

/** Asks once. Throws the contract's errors, `unavailable` when nobody serves it, `timeout` when nobody answers. */
export async function request<P extends string, I extends z.ZodType, O extends z.ZodType>(
  bus: Bus,
  contract: RequestContract<P, I, O>,
  ask: { params: Params<P>; input: z.input<I>; timeoutMs: number },
): Promise<z.output<O>> {
  const subject = contract.subject.subjectFor(ask.params);
  if (!bus.connected()) throw new ServiceError("unavailable", "NATS cannot be reached");
  const payload = encodeJson(ask.input);
  const { data } = await bus.inbox
    .ask(subject, payload, { timeoutMs: ask.timeoutMs })
    .catch((error: unknown) => {
      // Agents may read it: the zone is public, the subject is not.
      throw natsFailure(error, `the ${contract.servedBy}`);
    });
  return decodeReply(contract, data, 1024 * 1024);
}

/** NATS's own failures as ours: apps never see a NATS class. */
export function natsFailure(error: unknown, what: string): ServiceError {
  if (error instanceof ServiceError)
    return new ServiceError(error.code, `${what}: ${error.message}`, { cause: error });
  const text = error instanceof Error ? `${error.name} ${error.message}` : String(error);
  if (/permission/i.test(text)) {
    return new ServiceError("denied", `NATS does not allow ${what} for this user`, { cause: error });
  }
  if (/timeout/i.test(text))
    return new ServiceError("timeout", `${what} did not answer in time`, { cause: error });
  return new ServiceError("unavailable", `NATS could not carry ${what}`, { detail: text, cause: error });
}
