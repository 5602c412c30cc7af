import type { IncomingMessage, ServerResponse } from "node:http";
import type { Readable } from "node:stream";
import { type Authority, authorityText } from "./authority.ts";
import { type Denial, DenialError } from "./denial.ts";
import { Ending } from "./ending.ts";
import { type Fillable, findPlaced, type Placed } from "./find-placed.ts";
import { isForm, readForm } from "./form.ts";
import { endToEnd } from "./headers.ts";
import { passTokenAnswer } from "./pass-token-answer.ts";
import { placeAll } from "./place-all.ts";
import { refuse } from "./refuse.ts";
import { headerValue, headProblem } from "./request-checks.ts";
import { parseAbsoluteTarget, parseOriginTarget, type Target } from "./request-target.ts";
import { passAnswer, searchingBody } from "./scrub-answer.ts";
import type { Ask, Session } from "./session.ts";
import { endpointAt, type TokenEndpoint } from "./token-endpoint.ts";
import type { Upstreams } from "./upstreams.ts";

export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Where the tunnel leads that the request came through; undefined for one in absolute form. */
  readonly tunnel: Authority | undefined;
}

export interface ForwardDeps {
  readonly session: Session;
  readonly upstreams: Upstreams;
}

/** One request: read in one way only, decided, recorded, sent to the judged address, its answer passed back. */
export async function forward(exchange: Exchange, deps: ForwardDeps): Promise<void> {
  const { request, response } = exchange;
  const { session, upstreams } = deps;
  let leave = () => {};
  const ending = new Ending();
  const total = setTimeout(() => ending.end(tooLong), session.deps.limits.totalMs);
  // What is over is not ended: its connection serves the next.
  response.on("close", () => response.writableFinished || ending.end(gone));
  try {
    const target = await targetOf(exchange, session);
    const form = session.placeholders.readsForm(request.method ?? "", target)
      ? await formOf(request, target, session)
      : undefined;
    const placed = await placedIn(request, { target, form }, session);
    const credentials = placed.map(({ credential }) => credential);
    const end = (denial: Denial) => ending.end(new DenialError(denial));
    leave = await session.admit(askOf(request, target), end, credentials);
    await relay(exchange, target, { session, upstreams, placed, form, ending });
  } catch (error) {
    refuse(request, response, ending.reason ?? error);
  } finally {
    clearTimeout(total);
    leave();
  }
}

export const tooLong = new DenialError({
  code: "timeout",
  reason: "the request took longer than a request may",
});
/** Nobody is there to be told. */
export const gone = new DenialError({ code: "unavailable", reason: "the client is gone" });

/** @throws DenialError `ambiguous` */
export async function targetOf(
  {
    request,
    tunnel,
    url = request.url ?? "",
  }: Omit<Exchange, "response"> & { readonly url?: string | undefined },
  session: Session,
): Promise<Target> {
  const host = headerValue(request.rawHeaders, "host") ?? "";
  const parsed = tunnel === undefined ? parseAbsoluteTarget(url, host) : parseOriginTarget(url, host, tunnel);
  const reason = headProblem(headOf(request)) ?? (parsed.ok ? undefined : parsed.reason);
  if (reason === undefined && parsed.ok) return parsed.value;
  const ask = parsed.ok ? askOf(request, parsed.value) : unreadable(request, tunnel);
  throw await session.denied(ask, { code: "ambiguous", reason: reason ?? "the request has no clear target" });
}

/** Read whole before the request goes out, where a placeholder may stand in it: its length changes. */
async function formOf(
  request: IncomingMessage,
  target: Target,
  session: Session,
): Promise<string | undefined> {
  const ask = askOf(request, target);
  if (!isForm(request.rawHeaders)) return undefined;
  if (!session.wouldAllow(ask)) return undefined; // is refused without being read
  const form = await readForm(request);
  if (form !== undefined) return form;
  const reason = "a form that may hold a placeholder is at most 64 KiB of ASCII";
  throw await session.denied(ask, { code: "placeholder", reason });
}

export async function placedIn(
  request: IncomingMessage,
  { target, form }: { target: Target; form: string | undefined },
  session: Session,
) {
  const { method, rawHeaders } = headOf(request);
  const search = findPlaced(session.placeholders, { method, target, rawHeaders, form });
  if (search.ok) return search.placed;
  throw await session.denied(askOf(request, target), { code: "placeholder", reason: search.reason });
}

export function headOf({ method = "", httpVersion, rawHeaders }: IncomingMessage) {
  return { method, httpVersion, rawHeaders };
}

export function askOf({ method = "" }: IncomingMessage, { scheme, authority, path }: Target): Ask {
  const { host, port } = authority;
  return { method, scheme, host, port, path, tls: scheme === "https" };
}

/** For the record alone: what was asked for could not be read. */
export function unreadable({ method = "" }: IncomingMessage, tunnel?: Authority): Ask {
  return { method, scheme: "http", host: tunnel?.host ?? "", port: tunnel?.port ?? 0, path: "", tls: false };
}

export interface RelayDeps extends ForwardDeps {
  readonly placed: readonly Placed[];
  readonly form: string | undefined;
  readonly ending: Ending;
}

async function relay(exchange: Exchange, target: Target, deps: RelayDeps): Promise<void> {
  const { request, response } = exchange;
  const { session, placed } = deps;
  const ask = askOf(request, target);
  const endpoint = endpointAt(session.placeholders.endpoints, target);
  const { path, headers, form } = await filled(request, target, {
    session,
    placed,
    form: deps.form,
    endpoint,
  });
  deps.ending.throwIfEnded();
  const body = form ?? bodyOf(request, { session, ask });
  const answer = await deps.upstreams
    .ask(target, { method: ask.method, path, headers, body }, deps.ending)
    .catch((error: unknown) => recordRefusal(error, request, target, deps));
  if (endpoint === undefined) await passAnswer(answer, response, session);
  else await passTokenAnswer(answer, response, { session, ask, endpoint });
}

type FillDeps = Pick<RelayDeps, "session" | "placed" | "form"> & {
  readonly endpoint: TokenEndpoint | undefined;
};

/** The request as it goes out, with the credentials in it. */
async function filled(request: IncomingMessage, target: Target, deps: FillDeps): Promise<Fillable> {
  const { placed, form, session } = deps;
  const bare = { path: target.path + target.query, headers: headersFor(request, target, deps), form };
  const whole = await placeAll(placed, bare, session);
  if (whole.form === undefined) return whole;
  return { ...whole, headers: [...whole.headers, "content-length", String(Buffer.byteLength(whole.form))] };
}

export function headersFor(
  { rawHeaders }: Pick<IncomingMessage, "rawHeaders">,
  target: Target,
  { session, placed, form, endpoint }: FillDeps,
): string[] {
  const lends = placed.length > 0 || endpoint !== undefined;
  const mayEcho = lends || !session.secrets.scrubber.empty;
  const without = ["host", "expect"];
  if (form !== undefined) without.push("content-length");
  // What comes back packed would have to be unpacked to be looked through.
  if (mayEcho) without.push("accept-encoding");
  // A secret asked for in two halves is in neither.
  if (lends) without.push("range", "if-range");
  // One spelling of the host on the wire, the one that was judged.
  const headers = ["host", hostHeader(target), ...endToEnd(rawHeaders, without)];
  if (mayEcho) headers.push("accept-encoding", "identity");
  return headers;
}

/** Not a `pipeline`: that would close the client's connection, and with it the way to say why. */
function bodyOf(
  request: IncomingMessage,
  { session, ask }: { session: Session; ask: Ask },
): Readable | undefined {
  if (!hasBody(request)) {
    request.resume();
    return undefined;
  }
  const denial: Denial = { code: "placeholder", reason: "a placeholder is bound to no request's body" };
  const search = searchingBody(session.placeholders.finder, () => session.denied(ask, denial));
  search.on("error", () => {}).on("close", () => request.unpipe(search).resume());
  return request.pipe(search);
}

function hasBody({ rawHeaders }: IncomingMessage): boolean {
  return (
    (headerValue(rawHeaders, "content-length") ?? "0") !== "0" ||
    headerValue(rawHeaders, "transfer-encoding") !== undefined
  );
}

/** An address is refused after the request was allowed by its name: that is written down too. */
export async function recordRefusal(
  error: unknown,
  request: IncomingMessage,
  target: Target,
  { session }: Pick<RelayDeps, "session">,
): Promise<never> {
  if (error instanceof DenialError && error.denial.code === "address")
    throw await session.denied(askOf(request, target), error.denial);
  throw error;
}

function hostHeader({ scheme, authority }: Target): string {
  const text = authorityText(authority);
  return authority.port === (scheme === "http" ? 80 : 443) ? text.slice(0, text.lastIndexOf(":")) : text;
}
