/** Space-separated scopes, as OAuth writes them. */
export interface ScopeAsk {
  /** Of the resource; undefined when there is no such resource. */
  readonly resource: string | undefined;
  /** What the client may ever have; undefined for one that registered itself, where the person consents. */
  readonly client: string | undefined;
  readonly wanted: string;
}

export type ScopeDecision =
  | { readonly scope: string }
  | { readonly refused: "invalid_target" | "invalid_scope"; readonly why: string };

/** Scopes that belong to no resource: sign-in and refresh. */
const ofNoResource = ["openid", "offline_access"];

/**
 * Which of a resource's scopes a client may have. The library checks a client's scopes only against those
 * it was told of at start, so this decides it for each resource. Pure; falling through means refusal.
 */
export function decideScope(ask: ScopeAsk): ScopeDecision {
  if (ask.resource === undefined) return { refused: "invalid_target", why: "there is no such resource" };
  const offered = words(ask.resource);
  const wanted = words(ask.wanted).filter((scope) => !ofNoResource.includes(scope));
  if (ask.client === undefined) return { scope: offered.join(" ") };

  const mayHave = words(ask.client);
  const tooMuch = wanted.filter((scope) => !mayHave.includes(scope));
  if (tooMuch.length > 0)
    return { refused: "invalid_scope", why: "the client may not have a scope it asks for" };
  const both = offered.filter((scope) => mayHave.includes(scope));
  if (both.length === 0) return { refused: "invalid_target", why: "the client may not use this resource" };
  return { scope: both.join(" ") };
}

function words(scope: string): string[] {
  return scope.split(" ").filter((word) => word !== "");
}
