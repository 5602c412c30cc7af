import { z } from "zod";
import { CommandFailure } from "../command-failure.ts";

const maxBytes = 256 * 1024;

export interface Answer {
  status: number;
  headers: Headers;
  /** Undefined when the body is not JSON. */
  body: unknown;
  /** Unix milliseconds, halfway between asking and the answer. */
  at: number;
}

/**
 * One HTTP exchange with a server whose address is a setting: no redirect is followed (a secret would go where nobody
 * allowed it), the body is bounded, five seconds. Throws CommandFailure `unavailable`.
 */
export async function askJson(
  url: string,
  { setting, ...init }: RequestInit & { setting: string },
): Promise<Answer> {
  const before = Date.now();
  const timeout = AbortSignal.timeout(5_000);
  const signal = init.signal ? AbortSignal.any([init.signal, timeout]) : timeout;
  try {
    const response = await fetch(url, { ...init, redirect: "error", signal });
    const at = (before + Date.now()) / 2;
    const text = await boundedText(response);
    return { status: response.status, headers: response.headers, body: parsed(text), at };
  } catch (cause) {
    throw new CommandFailure("unavailable", `${url} gives no answer: ${reasonOf(cause)}`, {
      setting,
      fix: `see whether it runs and can be reached from here: curl -v ${new URL(url).origin}`,
      cause,
    });
  }
}

async function boundedText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of response.body ?? []) {
    size += chunk.length;
    if (size > maxBytes) throw new Error(`its answer is larger than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const Caused = z.object({ cause: z.object({ code: z.string().optional(), message: z.string() }) });

/** fetch says only "fetch failed"; why is in its cause. */
function reasonOf(error: unknown): string {
  const caused = Caused.safeParse(error);
  if (caused.success) return caused.data.cause.code ?? caused.data.cause.message;
  if (error instanceof Error && error.name === "TimeoutError") return "no answer within 5 s";
  return error instanceof Error ? error.message : String(error);
}
