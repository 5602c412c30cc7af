import { isIP } from "node:net";
import { TokenError } from "./error.ts";
import { type KeySet, type KeySource, MAX_JWKS_BYTES, parseKeySet } from "./key-source.ts";

export interface JwksUrlOptions {
  fetch?: typeof globalThis.fetch;
  /** Age at which keys are fetched again while the held ones still serve; 300 s. */
  refreshSeconds?: number;
  /** Age at which held keys serve no more, if they could not be refreshed; 3600 s. */
  staleSeconds?: number;
  /** At most one fetch in this time, whatever `kid`s arrive; 10 s. A new key is found at the latest then. */
  cooldownSeconds?: number;
  /** The same after a fetch that failed; 1 s. */
  retrySeconds?: number;
  /** For one fetch, to the last byte; 5 s. */
  timeoutSeconds?: number;
  /** Told why each fetch that failed did; at most once in `retrySeconds`. */
  failed?: (fault: unknown) => void;
  /** Milliseconds that only grow. */
  clock?: () => number;
}

/**
 * Keys from the issuer's `jwks_uri`. Nothing runs in the background: a token that comes when keys are due
 * starts the fetch, and all who need it await the same one.
 * @throws TypeError at once for a URL that is not https (http is for loopback only) or carries a password
 */
export function jwksFromUrl(url: string | URL, options: JwksUrlOptions = {}): KeySource {
  const target = safeUrl(url);
  const clock = options.clock ?? (() => performance.now());
  const fetch = options.fetch ?? globalThis.fetch;
  const ms = (seconds: number | undefined, otherwise: number) => (seconds ?? otherwise) * 1000;
  const refreshMs = ms(options.refreshSeconds, 300);
  const staleMs = ms(options.staleSeconds, 3600);
  const cooldownMs = ms(options.cooldownSeconds, 10);
  const retryMs = ms(options.retrySeconds, 1);
  const timeoutMs = ms(options.timeoutSeconds, 5);

  let held: { keys: KeySet; at: number } | undefined;
  let running: Promise<void> | undefined;
  let lastStart = Number.NEGATIVE_INFINITY;
  let lastFault: unknown;

  async function load(): Promise<void> {
    lastStart = clock();
    try {
      held = { keys: parseKeySet(await fetchText(fetch, target, timeoutMs)), at: clock() };
      lastFault = undefined;
    } catch (fault) {
      lastFault = fault;
      options.failed?.(fault);
    } finally {
      running = undefined;
    }
  }

  /** Never rejects. Joins the fetch under way; else starts one, unless the last was a moment ago. */
  async function refresh(): Promise<void> {
    if (!running && clock() - lastStart >= (lastFault === undefined ? cooldownMs : retryMs)) running = load();
    await running;
  }

  async function current(): Promise<KeySet> {
    if (held && clock() - held.at >= staleMs) held = undefined;
    if (!held) await refresh();
    else if (clock() - held.at >= refreshMs) void refresh();
    if (!held) throw new TokenError("keys-unavailable", { cause: lastFault });
    return held.keys;
  }

  return {
    async keyFor(hint) {
      const keys = await current();
      const key = await keys(hint);
      if (key) return key;
      await refresh(); // the issuer may have rotated its keys
      const later = held?.keys === keys ? undefined : await held?.keys(hint);
      if (!later) throw new TokenError("unknown-key");
      return later;
    },
  };
}

function safeUrl(url: string | URL): URL {
  const target = new URL(url);
  const loopback =
    target.hostname === "localhost" || target.hostname === "[::1]" || isLoopbackV4(target.hostname);
  if (target.protocol !== "https:" && !(target.protocol === "http:" && loopback)) {
    throw new TypeError("the JWKS URL must be https: whoever can change the answer can sign tokens");
  }
  if (target.username !== "" || target.password !== "")
    throw new TypeError("the JWKS URL must not carry a password");
  return target;
}

function isLoopbackV4(host: string): boolean {
  return isIP(host) === 4 && host.startsWith("127.");
}

async function fetchText(fetch: typeof globalThis.fetch, url: URL, timeoutMs: number): Promise<string> {
  const signal = AbortSignal.timeout(timeoutMs);
  // A redirect would let the answer come from a place that nobody configured.
  const answer = await fetch(url, { signal, redirect: "error", headers: { accept: "application/json" } });
  if (answer.status !== 200 || !answer.body) {
    await answer.body?.cancel();
    throw new Error(`the JWKS URL answered ${answer.status}`);
  }
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of answer.body) {
    size += chunk.length;
    if (size > MAX_JWKS_BYTES) throw new Error(`the JWKS answer is larger than ${MAX_JWKS_BYTES} bytes`); // ends the stream
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}
