import type { TokenEndpoint } from "./token-endpoint.ts";

export interface FoundToken {
  /** As the endpoint's configuration or the RFC writes it. */
  readonly field: string;
  readonly token: string;
}

export type TokenAnswer =
  | { readonly ok: true; readonly text: string; readonly expiresIn: number | undefined }
  | { readonly ok: false; readonly reason: string };

/** RFC 6749, section 5.1, and OpenID Connect Core, section 3.1.3.3. */
const STANDARD = ["access_token", "refresh_token", "id_token"];
const MOST_DEPTH = 16;

class Malformed extends Error {}

/**
 * A token endpoint's answer with each credential replaced. It is written anew from what was read, so that the sandbox
 * sees nothing that this reading did not: of a key that comes twice, one value was looked at and one is gone. Fields are
 * found at any depth and in any case (`authed_user.access_token`, `accessToken`).
 *
 * @param replace the placeholder for a credential; called once for each
 */
export function replaceTokens(
  text: string,
  { issues }: TokenEndpoint,
  replace: (found: FoundToken) => string,
): TokenAnswer {
  const fields = new Map([...STANDARD, ...Object.keys(issues)].map((field) => [bare(field), field]));
  let expiresIn: number | undefined;
  const clean = (value: unknown, depth: number): unknown => {
    if (depth > MOST_DEPTH) throw new Malformed("it is nested too deep");
    if (Array.isArray(value)) return value.map((item) => clean(item, depth + 1));
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, inner]) => {
        const field = fields.get(bare(key));
        if (bare(key) === "expiresin") expiresIn = lesser(expiresIn, inner);
        if (field === undefined) return [key, clean(inner, depth + 1)];
        if (inner === null || inner === "") return [key, inner];
        if (typeof inner !== "string") throw new Malformed(`its ${field} is no string`);
        return [key, replace({ field, token: inner })];
      }),
    );
  };
  try {
    const read: unknown = JSON.parse(text);
    if (typeof read !== "object" || read === null || Array.isArray(read))
      throw new Malformed("it is no JSON object");
    return { ok: true, text: JSON.stringify(clean(read, 0)), expiresIn };
  } catch (error) {
    if (error instanceof Malformed) return { ok: false, reason: error.message };
    if (error instanceof SyntaxError) return { ok: false, reason: "it is no JSON object" };
    throw error;
  }
}

const bare = (name: string) => name.toLowerCase().replace(/[_-]/g, "");

/** Seconds. Some servers write the number as a string. */
function lesser(known: number | undefined, value: unknown): number | undefined {
  const seconds = typeof value === "string" && /^\d{1,9}$/.test(value) ? Number(value) : value;
  if (typeof seconds !== "number" || !(seconds >= 0)) return known;
  return known === undefined ? seconds : Math.min(known, seconds);
}
