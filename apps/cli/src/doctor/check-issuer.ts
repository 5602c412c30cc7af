import { z } from "zod";
import { askJson } from "../http/ask-json.ts";
import { issuerMetadata } from "../issuer/metadata.ts";
import { type Check, checkThat, failed, ok, warning } from "./check.ts";

/** The issuer's metadata, its keys, and its clock against ours. */
export function checkIssuer(issuer: string): Promise<Check[]> {
  const fix = "set issuer.url to the issuer identifier; start the issuer";
  return checkThat(
    "issuer",
    async () => {
      const { metadata, answer } = await issuerMetadata(issuer);
      const keys = await checkThat("issuer keys", () => checkKeys(metadata.jwks_uri), fix);
      return [
        ok("issuer", `${issuer} answers and says that it is this issuer`),
        ...keys,
        checkClock(answer.headers.get("date"), answer.at),
      ];
    },
    fix,
  );
}

const KeySet = z.object({ keys: z.array(z.looseObject({ kty: z.string() })).max(1000) });

async function checkKeys(url: string): Promise<Check[]> {
  const { status, body } = await askJson(url, { setting: "issuer.url" });
  const keys = KeySet.safeParse(body);
  if (status !== 200 || !keys.success) {
    return [failed("issuer keys", `${url} is no key set (status ${status})`, "see the issuer's jwks_uri")];
  }
  const usable = keys.data.keys.filter(({ kty }) => ["EC", "RSA", "OKP"].includes(kty)).length;
  if (usable > 0) return [ok("issuer keys", `${usable} at ${url}`)];
  const what = `${url} holds no key that can verify a token`;
  return [failed("issuer keys", what, "let the issuer sign with ES256, EdDSA, RS256 or PS256")];
}

/** Tokens are taken with this much difference between clocks. */
const toleranceMs = 5_000;

/** Pure: the Date header has whole seconds and was written at most a moment ago. */
export function checkClock(date: string | null, at: number): Check {
  const theirs = Date.parse(date ?? "");
  const fix = "set both clocks by NTP (chronyc tracking, timedatectl)";
  if (Number.isNaN(theirs))
    return warning("clock", "the issuer does not tell its time", "compare it by hand");
  const skewMs = theirs + 500 - at;
  const seconds = `${(Math.abs(skewMs) / 1000).toFixed(1)} s`;
  const which = skewMs > 0 ? "behind" : "ahead of";
  if (Math.abs(skewMs) > toleranceMs) {
    const what = `this clock is ${seconds} ${which} the issuer's; zones with such a clock refuse good tokens`;
    return failed("clock", what, fix);
  }
  return Math.abs(skewMs) > 2_000
    ? warning("clock", `this clock is ${seconds} ${which} the issuer's`, fix)
    : ok("clock", "agrees with the issuer's");
}
