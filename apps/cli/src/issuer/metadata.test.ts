import { expect, test } from "vitest";
import { metadataProblem, metadataUrls } from "./metadata.ts";

const issuer = "https://issuer.example.com/tenant";
const metadata = { issuer, token_endpoint: `${issuer}/token`, jwks_uri: `${issuer}/jwks` };

test("the well-known part goes between host and path, or behind it", () => {
  expect(metadataUrls(issuer)).toEqual([
    "https://issuer.example.com/.well-known/oauth-authorization-server/tenant",
    "https://issuer.example.com/tenant/.well-known/openid-configuration",
  ]);
  expect(metadataUrls("http://127.0.0.1:4000")[0]).toBe(
    "http://127.0.0.1:4000/.well-known/oauth-authorization-server",
  );
});

test("a document of this issuer is taken", () => {
  expect(metadataProblem(issuer, metadata)).toBeUndefined();
});

test.each([
  ["issuer", `${issuer}/`],
  ["token_endpoint", "http://issuer.example.com/token"],
  ["jwks_uri", "http://issuer.example.com/jwks"],
])("another %s (%s) is refused", (field, value) => {
  expect(metadataProblem(issuer, { ...metadata, [field]: value })).toContain(value);
});
