/** What this issuer asks of a client that registers itself. Names are those of RFC 7591. */
export interface RegistrationRequest {
  readonly redirect_uris?: unknown;
  readonly grant_types?: unknown;
  readonly response_types?: unknown;
  readonly token_endpoint_auth_method?: unknown;
}

const loopback = ["127.0.0.1", "[::1]", "localhost"];

/**
 * Anyone may register, so what they get is little: a public client that brings a person's browser back to
 * this machine. No client credentials: an agent that acts for nobody must be configured by someone.
 * Pure; answers the problem, or undefined.
 */
export function registrationProblem(request: RegistrationRequest): string | undefined {
  const method = request.token_endpoint_auth_method ?? "none";
  if (method !== "none")
    return "token_endpoint_auth_method must be none: only public clients register themselves";
  if (!onlyOf(request.grant_types ?? ["authorization_code"], ["authorization_code", "refresh_token"])) {
    return "grant_types may be authorization_code and refresh_token";
  }
  if (!onlyOf(request.response_types ?? ["code"], ["code"])) return "response_types may be code";
  const uris = request.redirect_uris;
  if (!Array.isArray(uris) || uris.length === 0 || uris.length > 10)
    return "1 to 10 redirect_uris are needed";
  if (!uris.every(isLoopback)) return "redirect_uris must be http on a loopback address";
  return undefined;
}

function onlyOf(values: unknown, allowed: readonly string[]): boolean {
  return Array.isArray(values) && values.every((value) => allowed.includes(value));
}

function isLoopback(uri: unknown): boolean {
  const url = typeof uri === "string" && uri.length <= 500 ? URL.parse(uri) : null;
  if (!url) return false;
  return (
    url.protocol === "http:" && loopback.includes(url.hostname) && url.username === "" && url.password === ""
  );
}
