import type { ServerResponse } from "node:http";
import type { Answer } from "./answer.ts";
import { fieldValue, pairs } from "./headers.ts";
import { readBounded } from "./read-bounded.ts";
import type { Ask, Session } from "./session.ts";
import type { TokenEndpoint } from "./token-endpoint.ts";

const MOST_ANSWER_BYTES = 65_536;
/** Of the rest, a cookie may be a credential, and a `Location` may hold one. */
const PASSED = new Set([
  "cache-control",
  "content-type",
  "date",
  "pragma",
  "retry-after",
  "www-authenticate",
]);

interface Asked {
  readonly session: Session;
  readonly ask: Ask;
  readonly endpoint: TokenEndpoint;
}

/**
 * Passes on what a token endpoint answered once its credentials are placeholders. What cannot be read to the end as one
 * JSON object is refused: of what was not understood, nothing can be said to hold no credential.
 *
 * @throws DenialError `token`, `record`
 */
export async function passTokenAnswer(
  answer: Answer,
  response: ServerResponse,
  { session, ask, endpoint }: Asked,
): Promise<void> {
  const { status, rawHeaders } = answer.head;
  const bodiless = response.req.method === "HEAD" || status === 204 || status === 304;
  const read = bodiless ? undefined : await textOf(answer);
  const taken = read?.ok ? session.tokens.take(endpoint, read.text) : read;
  if (taken?.ok === false) {
    answer.cancel();
    const reason = `${endpoint.name} answered ${status}, and ${taken.reason}: it is not passed on`;
    throw await session.denied(ask, { code: "token", reason });
  }
  if (taken !== undefined && "names" in taken && taken.names.length > 0)
    await session.issued(ask, taken.names);
  const { scrubber } = session.secrets;
  const headers = [...pairs(rawHeaders)].filter(([name]) => PASSED.has(name.toLowerCase()));
  const body = scrubber.text(taken?.text ?? "");
  response.writeHead(status, [
    ...headers.flatMap(([name, value]) => [name, scrubber.text(value)]),
    ...(bodiless ? [] : ["content-length", String(Buffer.byteLength(body))]),
  ]);
  response.end(body);
}

type Read = { readonly ok: true; readonly text: string } | { readonly ok: false; readonly reason: string };

async function textOf(answer: Answer): Promise<Read> {
  const { status, rawHeaders } = answer.head;
  const coding = fieldValue(rawHeaders, "content-encoding") ?? "identity";
  const type = fieldValue(rawHeaders, "content-type") ?? "";
  if (status >= 300 && status < 400) return refuse("a redirect may hold a credential");
  if (coding.toLowerCase() !== "identity") return refuse("it is packed, which it was asked not to be");
  if (!/^application\/(?:[a-z.+-]+\+)?json *(;|$)/i.test(type))
    return refuse("it is no JSON (ask for it: Accept: application/json)");
  try {
    const bytes = await readBounded(answer.readable(), MOST_ANSWER_BYTES);
    if (bytes === undefined) return refuse(`it is longer than ${MOST_ANSWER_BYTES} bytes`);
    return { ok: true, text: new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes) };
  } catch (error) {
    return refuse(error instanceof TypeError ? "it is not UTF-8" : "it broke off");
  }
}

function refuse(reason: string): Read {
  return { ok: false, reason };
}
