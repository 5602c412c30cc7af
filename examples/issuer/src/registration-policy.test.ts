import { describe, expect, it } from "vitest";
import { registrationProblem } from "./registration-policy.ts";

const good = { redirect_uris: ["http://127.0.0.1:8123/callback"], token_endpoint_auth_method: "none" };

describe("a client that registers itself", () => {
  it.each([
    [good],
    [{ redirect_uris: ["http://localhost:6274/oauth/callback"] }],
    [{ ...good, redirect_uris: ["http://[::1]:1/cb"], grant_types: ["authorization_code", "refresh_token"] }],
    [{ ...good, response_types: ["code"] }],
  ])("may be a public one that comes back to this machine: %j", (request) => {
    expect(registrationProblem(request)).toBeUndefined();
  });

  it.each([
    ["a secret", { token_endpoint_auth_method: "client_secret_basic" }],
    ["client credentials", { grant_types: ["client_credentials"] }],
    ["grants that are no list", { grant_types: "authorization_code" }],
    ["the implicit flow", { response_types: ["token"] }],
    ["no redirect", { redirect_uris: [] }],
    ["a redirect that is no list", { redirect_uris: "http://127.0.0.1/" }],
    ["too many redirects", { redirect_uris: Array.from({ length: 11 }, () => "http://127.0.0.1/") }],
    ["a redirect elsewhere", { redirect_uris: ["http://127.0.0.1/", "https://evil.example/cb"] }],
    ["a redirect that only looks local", { redirect_uris: ["http://127.0.0.1.evil.example/cb"] }],
    ["a redirect with a user name", { redirect_uris: ["http://user@127.0.0.1/cb"] }],
    ["a redirect of another scheme", { redirect_uris: ["javascript://127.0.0.1/%0aalert(1)"] }],
    ["a redirect that is no URL", { redirect_uris: [7] }],
  ])("is refused with %s", (_, change) => {
    expect(registrationProblem({ ...good, ...change })).toBeDefined();
  });
});
