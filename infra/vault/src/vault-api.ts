/** Calls of the HTTP API that HashiCorp Vault and OpenBao share. Never follows a redirect: the token goes nowhere else. */
export interface VaultApi {
  /** The answer's JSON; undefined when it has none. */
  read(path: string): Promise<Record<string, unknown> | undefined>;
  write(
    path: string,
    body: object,
    options?: { wrapSeconds?: number },
  ): Promise<Record<string, unknown> | undefined>;
}

export function vaultApi(address: string, token: string): VaultApi {
  const call = async (
    method: string,
    path: string,
    more: { body?: object; headers?: Record<string, string> },
  ) => {
    const response = await fetch(new URL(`/v1/${path}`, address), {
      method,
      headers: { "x-vault-token": token, "x-vault-request": "true", ...more.headers },
      ...(more.body && { body: JSON.stringify(more.body) }),
      redirect: "error",
      signal: AbortSignal.timeout(15_000),
    });
    const text = await response.text();
    if (!response.ok)
      throw new Error(`Vault answered ${response.status} to ${method} ${path}: ${whyIn(text)}`);
    return text === "" ? undefined : (JSON.parse(text) as Record<string, unknown>);
  };
  return {
    read: (path) => call("GET", path, {}),
    write: (path, body, options) => {
      const wrap = options?.wrapSeconds;
      return call("POST", path, {
        body,
        headers: wrap === undefined ? {} : { "x-vault-wrap-ttl": `${wrap}s` },
      });
    },
  };
}

/** Vault's own `errors` list, bounded. It names paths and parameters, not values of ours. */
function whyIn(text: string): string {
  try {
    const { errors } = JSON.parse(text) as { errors?: unknown };
    return Array.isArray(errors) && errors.length > 0 ? errors.join("; ").slice(0, 500) : "no reason given";
  } catch {
    return "no reason given";
  }
}
