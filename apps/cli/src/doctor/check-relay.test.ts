import { expect, test } from "vitest";
import { checkCertificate } from "./check-relay.ts";

const now = new Date("2026-11-29T12:00:00Z");
const inDays = (days: number) => new Date(+now + days * 86_400_000);

test("doctor warns a month before the relay's certificate ends", () => {
  expect(checkCertificate(inDays(730), now)).toEqual([
    expect.objectContaining({ state: "ok", what: "the relay's counts until 2028-11-28, 730 days from now" }),
  ]);
  expect(checkCertificate(inDays(30), now)).toMatchObject([{ state: "ok" }]);
  expect(checkCertificate(inDays(29.9), now)).toMatchObject([
    { state: "warning", fix: expect.stringContaining("sallyport relay certificate") },
  ]);
});

test("doctor says nothing of a certificate where there is no TLS", () => {
  expect(checkCertificate(undefined, now)).toEqual([]);
});
