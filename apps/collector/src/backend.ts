import { type Dispatcher, Pool } from "undici";

export interface BackendOptions {
  /** OTLP/HTTP base; `/v1/traces` and so on are added (opentelemetry-proto, docs/specification.md). */
  url: string;
  /** Called for every request, so that a rotated token is used. */
  headers(): Promise<Record<string, string>>;
  timeoutMs: number;
  ca?: string;
}

type Delivery =
  | { outcome: "taken" }
  /** Again, not before `afterMs` where the backend said so. */
  | { outcome: "later"; problem: string; afterMs: number | undefined }
  | { outcome: "refused"; problem: string };

export interface Backend {
  name: string;
  post(signal: string, payload: Uint8Array, stop: AbortSignal): Promise<Delivery>;
  close(): Promise<void>;
}

/** An answer is an acknowledgement: a backend that sends more is cut off (CVE-2026-39882: memory filled by an answer). */
const maxAnswerBytes = 64 * 1024;
const retryable = new Set([429, 502, 503, 504]);

export function openBackend(options: BackendOptions): Backend {
  const base = new URL(options.url);
  const pool = new Pool(base.origin, {
    connections: 4,
    headersTimeout: options.timeoutMs,
    bodyTimeout: options.timeoutMs,
    connect: { timeout: options.timeoutMs, ...(options.ca === undefined ? {} : { ca: options.ca }) },
    maxResponseSize: maxAnswerBytes,
  });
  const path = base.pathname.replace(/\/$/, "");

  const post = async (signal: string, payload: Uint8Array, stop: AbortSignal): Promise<Delivery> => {
    try {
      const answer = await pool.request({
        method: "POST",
        path: `${path}/v1/${signal}`,
        headers: { ...(await options.headers()), "content-type": "application/x-protobuf" },
        body: payload,
        signal: AbortSignal.any([stop, AbortSignal.timeout(options.timeoutMs)]),
      });
      const text = await answerText(answer);
      return verdict(answer.statusCode, answer.headers["retry-after"], text);
    } catch (error) {
      return {
        outcome: "later",
        problem: error instanceof Error ? error.message : "it failed",
        afterMs: undefined,
      };
    }
  };
  return { name: base.host, post, close: () => pool.destroy() };
}

/** Its first bytes, for the log. What cannot be read to the end does not change what the status said. */
async function answerText(answer: Dispatcher.ResponseData): Promise<string> {
  try {
    return (await answer.body.text()).slice(0, 256);
  } catch {
    return "(its answer could not be read)";
  }
}

/** What a status means for the payload. Redirects are not followed: the address is the operator's choice. */
function verdict(status: number, retryAfter: string | string[] | undefined, text: string): Delivery {
  if (status >= 200 && status < 300) return { outcome: "taken" };
  const problem = `status ${status}: ${text}`;
  return retryable.has(status)
    ? { outcome: "later", problem, afterMs: retryAfterMs(retryAfter) }
    : { outcome: "refused", problem };
}

/** Retry-After in seconds or as a date (RFC 9110, 10.2.3), in milliseconds. */
function retryAfterMs(header: string | string[] | undefined): number | undefined {
  const text = Array.isArray(header) ? header[0] : header;
  if (text === undefined) return undefined;
  const ms = /^\d{1,9}$/.test(text) ? Number(text) * 1000 : Date.parse(text) - Date.now();
  return Number.isFinite(ms) ? Math.max(0, ms) : undefined;
}
