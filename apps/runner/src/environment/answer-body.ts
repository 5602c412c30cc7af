import {
  asEgressError,
  isRedirect,
  type Upstream,
  type UpstreamHandler,
  type UpstreamRequest,
} from "@sallyport/egress";
import { ApiError, codeOf } from "./api-error.ts";

/** An answer whose head is there. Its body is read at the reader's pace, once. */
export interface ApiAnswer {
  readonly status: number;
  readonly body: AsyncIterable<Uint8Array>;
  header(name: string): string | undefined;
}

type Controller = Parameters<UpstreamHandler["onRequestStart"]>[0];

const heldChunks = 16;

/**
 * One request, over a socket that is pinned and guarded. The abort of `signal` ends it, its body too. Rejects with
 * `ApiError` `passing` where no answer came, and `invalid` for a redirect: it would take the key to where nobody looked.
 */
export function askUpstream(
  upstream: Upstream,
  request: UpstreamRequest,
  signal: AbortSignal,
): Promise<ApiAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<ApiAnswer>();
  const body = new BodyQueue();
  let abort = () => {};
  const failed = (error: ApiError) => {
    signal.removeEventListener("abort", onAbort);
    reject(error);
    body.fail(error);
  };
  const onAbort = () => {
    abort();
    failed(new ApiError("passing", "the call was given up"));
  };
  if (signal.aborted) {
    onAbort();
    return promise;
  }
  signal.addEventListener("abort", onAbort, { once: true });
  upstream.dispatch(request, {
    onRequestStart: (controller) => {
      abort = () => controller.abort(new Error("given up"));
      if (signal.aborted) abort();
    },
    onResponseStart: (controller, status, headers) => {
      if (isRedirect(status)) {
        failed(new ApiError("invalid", "the API answered with a redirect, which is not followed"));
        controller.abort(new Error("redirect"));
        return;
      }
      body.use(controller);
      const header = (name: string) => [headers[name]].flat()[0];
      resolve({ status, body, header });
    },
    onResponseData: (_controller, chunk) => body.push(chunk),
    onResponseEnd: () => {
      signal.removeEventListener("abort", onAbort);
      body.end();
    },
    onResponseError: (_controller, error) =>
      failed(new ApiError("passing", asEgressError(error).message, { cause: error })),
  });
  return promise;
}

/** Chunks between the socket and whoever reads them: never more than a few, the socket waits. */
class BodyQueue implements AsyncIterable<Uint8Array> {
  readonly #chunks: Uint8Array[] = [];
  #controller: Controller | undefined;
  #ended = false;
  #error: ApiError | undefined;
  #wake = () => {};

  use(controller: Controller): void {
    this.#controller = controller;
  }

  push(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    if (this.#chunks.length >= heldChunks) this.#controller?.pause();
    this.#wake();
  }

  end(): void {
    this.#ended = true;
    this.#wake();
  }

  fail(error: ApiError): void {
    this.#error ??= error;
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array, void, undefined> {
    try {
      for (;;) {
        const chunk = this.#chunks.shift();
        if (chunk !== undefined) {
          if (this.#controller?.paused) this.#controller.resume();
          yield chunk;
        } else if (this.#error !== undefined) throw this.#error;
        else if (this.#ended) return;
        else
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
      }
    } finally {
      // Whoever leaves off reading ends the socket: nobody would take the rest.
      if (!this.#ended) this.#controller?.abort(new Error("nobody reads on"));
    }
  }
}

/** The whole body as JSON. Throws ApiError: by status, or `passing` for what is no JSON or over `maxBytes`. */
export async function jsonOf(answer: ApiAnswer, maxBytes: number): Promise<unknown> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of answer.body) {
    bytes += chunk.length;
    if (bytes > maxBytes) throw new ApiError("passing", `the API's answer is over ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  const text = Buffer.concat(chunks).toString("utf8");
  if (answer.status >= 400) throw refusal(answer, text);
  try {
    return JSON.parse(text) as unknown;
  } catch {
    throw new ApiError("passing", "the API's answer is not JSON");
  }
}

function refusal(answer: ApiAnswer, text: string): ApiError {
  const type = /"type"\s*:\s*"([a-z_]{1,64}_error)"/.exec(text.slice(0, 4_096))?.[1];
  const seconds = Number(answer.header("retry-after"));
  const ms = Number(answer.header("retry-after-ms") ?? seconds * 1_000);
  const said = type === undefined ? "" : ` (${type})`;
  return new ApiError(codeOf(answer.status), `the API answered ${answer.status}${said}`, {
    ...(ms > 0 && ms <= 60_000 ? { retryAfterMs: ms } : {}),
  });
}
