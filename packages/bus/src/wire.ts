import { asServiceError, errorCodes, type RequestContract, ServiceError } from "@sallyport/contracts";
import { z } from "zod";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

export function encodeJson(value: unknown): Uint8Array {
  return encoder.encode(JSON.stringify(value));
}

/** Bytes → checked value. Anything that does not fit is `invalid`, and the answer names the first field at fault. */
export function decodeJson<S extends z.ZodType>(schema: S, bytes: Uint8Array, maxBytes: number): z.output<S> {
  if (bytes.length > maxBytes) {
    throw new ServiceError("invalid", `the message has ${bytes.length} bytes; at most ${maxBytes} are taken`);
  }
  let value: unknown;
  try {
    value = JSON.parse(decoder.decode(bytes));
  } catch (cause) {
    throw new ServiceError("invalid", "the message is not JSON", { cause });
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const field = issue?.path.join(".") || "the message";
  throw new ServiceError("invalid", `${field}: ${issue?.message ?? "does not fit the contract"}`);
}

export function encodeAnswer(output: unknown): Uint8Array {
  return encodeJson({ ok: output });
}

/** An error as the caller may see it: code and public message only. */
export function encodeFailure(contract: RequestContract, thrown: unknown): Uint8Array {
  const error = asServiceError(thrown);
  const known = contract.errors.includes(error.code) || error.code === "internal";
  return encodeJson({
    error: known
      ? { code: error.code, message: error.message }
      : { code: "internal", message: "the service failed in a way that its contract does not know" },
  });
}

export function decodeReply<O extends z.ZodType>(
  contract: RequestContract<string, z.ZodType, O>,
  bytes: Uint8Array,
  maxBytes: number,
): z.output<O> {
  const reply = decodeJson(anyReply, bytes, maxBytes);
  if ("error" in reply) throw new ServiceError(reply.error.code, reply.error.message);
  const parsed = contract.output.safeParse(reply.ok);
  if (parsed.success) return parsed.data;
  throw new ServiceError(
    "internal",
    `the ${contract.servedBy} answered something that its contract does not allow`,
    { detail: contract.subject.pattern },
  );
}

const anyReply = z.union([
  z.object({ error: z.object({ code: z.enum(errorCodes), message: z.string().max(2000) }) }),
  z.object({ ok: z.unknown() }),
]);
