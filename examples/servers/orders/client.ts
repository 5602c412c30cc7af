const TIMEOUT_MS = 10_000;

/** What the API said; `ok` is false for every status that is not a success. */
export interface ApiAnswer {
  readonly ok: boolean;
  readonly body: unknown;
}

export type CallApi = (method: "GET" | "POST", path: string) => Promise<ApiAnswer>;

/** Calls the orders API at `origin` with the Authorization header that the caller's own request carried. */
export function ordersClient(origin: string, authorization: string): CallApi {
  return async (method, path) => {
    const response = await fetch(new URL(path, origin), {
      method,
      headers: { authorization },
      redirect: "error", // the token must not follow a redirect to another place
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
    return { ok: response.ok, body: await response.json() };
  };
}
