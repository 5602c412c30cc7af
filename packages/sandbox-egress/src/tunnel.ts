import type { IncomingMessage } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { type Authority, authorityText, parseAuthority, sameAuthority } from "./authority.ts";
import { MOST_HELLO_BYTES, type Opening, readOpening } from "./client-hello.ts";
import type { Denial } from "./denial.ts";
import { dial } from "./dial.ts";
import { headOf, unreadable } from "./forward.ts";
import { asDenial, refuseTunnel } from "./refuse.ts";
import { headerValue, headProblem } from "./request-checks.ts";
import type { Ask, Session } from "./session.ts";
import { splice } from "./splice.ts";

/** RFC 8446, section 6: fatal, access_denied. The one thing that can be said once the tunnel stands. */
const ACCESS_DENIED = Uint8Array.of(21, 3, 3, 0, 2, 2, 49);

/** A hello that dribbles in longer than this is no client's: each piece costs a reading of all before it. */
const MOST_PIECES = 512;

const ESTABLISHED = "HTTP/1.1 200 Connection Established\r\n\r\n";

export interface TunnelRequest {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  /** What came behind the request's head. */
  readonly head: Buffer;
  /** Where the tunnel leads that this came through. */
  readonly within: Authority | undefined;
}

export interface TunnelDeps {
  readonly session: Session;
  /** Takes over a tunnel whose TLS ends here. Its requests are judged one by one. */
  readonly terminate: (socket: Duplex, authority: Authority) => void;
}

/**
 * CONNECT. What goes through must be TLS to the very host that the tunnel was asked for: allowed names are no way to
 * others behind the same address, and a tunnel is no way to speak something else. Or a rule names it as not TLS.
 */
export async function openTunnel(
  { request, socket, head, within }: TunnelRequest,
  { session, terminate }: TunnelDeps,
): Promise<void> {
  let leave = () => {};
  let upstream: Socket | undefined;
  const end = () => {
    socket.destroy();
    upstream?.destroy();
  };
  socket.on("error", end);
  let established = false;
  try {
    if (head.length > 0) socket.unshift(head);
    const authority = await authorityOf(request, session, within);
    if (session.placeholders.terminates(authority)) {
      socket.write(ESTABLISHED);
      established = true;
      const opening = await firstBytes(socket, session.deps.limits.headTimeoutMs);
      await settle(opening, authority, { session, leave, end });
      socket.off("error", end);
      return terminate(socket, authority);
    }
    const ask = tunnelAsk(authority, session);
    if (session.placeholders.inClear(authority)) {
      const reason = "a credential is bound there without TLS: send http:// requests in absolute form";
      throw await session.denied(ask, { code: "placeholder", reason });
    }
    leave = await session.admit(ask, end);
    upstream = await dial(authority, session.deps).catch(async (error: unknown) => {
      if (asDenial(error).code === "address") throw await session.denied(ask, asDenial(error));
      throw error;
    });
    upstream.on("close", () => socket.destroy());
    if (socket.destroyed) return end();
    socket.write(ESTABLISHED);
    established = true;
    if (ask.tls) {
      const opening = await firstBytes(socket, session.deps.limits.headTimeoutMs);
      leave = await settle(opening, authority, { session, leave, end });
    }
    await splice(socket, upstream, session.deps.limits);
  } catch (error) {
    upstream?.destroy();
    if (!established) refuseTunnel(socket, error);
    else if (asDenial(error).code === "tls") socket.end(ACCESS_DENIED);
    socket.once("finish", () => socket.destroy());
    if (established && asDenial(error).code !== "tls") socket.destroy();
  } finally {
    leave();
  }
}

async function authorityOf(
  request: IncomingMessage,
  session: Session,
  within: Authority | undefined,
): Promise<Authority> {
  const parsed = parseAuthority(request.url ?? "");
  const said = headerValue(request.rawHeaders, "host");
  const host = said === undefined ? undefined : parseAuthority(said, parsed.ok ? parsed.value.port : 443);
  const nested = within === undefined ? undefined : "a tunnel leads into no other tunnel";
  const problem =
    nested ?? headProblem(headOf(request)) ?? bodyProblem(request) ?? placeholderProblem(request, session);
  const differs =
    parsed.ok && host !== undefined && !(host.ok && sameAuthority(host.value, parsed.value))
      ? "the Host header is not the host that the tunnel is asked for"
      : undefined;
  const reason = problem ?? (parsed.ok ? differs : parsed.reason);
  if (reason === undefined && parsed.ok) return parsed.value;
  const ask = unreadable(request, parsed.ok ? parsed.value : undefined);
  throw await session.denied(ask, { code: "ambiguous", reason: reason ?? "the tunnel has no clear target" });
}

function bodyProblem({ rawHeaders }: IncomingMessage): string | undefined {
  const framed = ["content-length", "transfer-encoding"].some(
    (name) => headerValue(rawHeaders, name) !== undefined,
  );
  return framed ? "CONNECT has no body" : undefined;
}

function placeholderProblem({ rawHeaders }: IncomingMessage, { placeholders }: Session): string | undefined {
  const found = rawHeaders.some((text) => placeholders.finder.text(text) !== text);
  return found ? "a placeholder has no place in CONNECT" : undefined;
}

/** As TLS, unless only something else is allowed there. */
function tunnelAsk(authority: Authority, session: Session): Ask {
  const tls = askFor(authority, true);
  const raw = askFor(authority, false);
  return !session.wouldAllow(tls) && session.wouldAllow(raw) ? raw : tls;
}

function askFor({ host, port }: Authority, tls: boolean): Ask {
  return { method: "CONNECT", path: "", host, port, tls, scheme: tls ? "https" : "tcp" };
}

/**
 * Whether what came is what was allowed. Something else than TLS is a question of its own.
 *
 * @throws DenialError
 */
async function settle(
  opening: Opening,
  authority: Authority,
  { session, leave, end }: { session: Session; leave: () => void; end: (denial: Denial) => void },
): Promise<() => void> {
  const terminated = session.placeholders.terminates(authority);
  if (!terminated && opening.is === "not-tls" && session.wouldAllow(askFor(authority, false))) {
    leave();
    return session.admit(askFor(authority, false), end);
  }
  const reason = openingProblem(opening, authority);
  if (reason === undefined) return leave;
  leave();
  throw await session.denied(askFor(authority, true), { code: "tls", reason });
}

function openingProblem(opening: Opening, authority: Authority): string | undefined {
  const place = authorityText(authority);
  switch (opening.is) {
    case "incomplete":
      return `no TLS came through the tunnel to ${place}`;
    case "not-tls":
      return `what came through the tunnel to ${place} is not TLS`;
    case "broken":
      return opening.reason;
    case "hello": {
      // RFC 6066, section 3: an address is never a server name.
      const asked = opening.serverName?.toLowerCase();
      const right = authority.literal ? undefined : authority.host;
      return asked === right ? undefined : `the TLS in the tunnel to ${place} asks for another host`;
    }
  }
}

/** Reads until they can be told, and puts them back. */
async function firstBytes(socket: Duplex, timeoutMs: number): Promise<Opening> {
  const opening = await new Promise<Opening>((resolve) => {
    let seen: Buffer = Buffer.alloc(0);
    let pieces = 0;
    const finish = (found: Opening) => {
      clearTimeout(timer);
      socket.off("readable", look).off("end", gone).off("close", gone);
      if (seen.length > 0 && !socket.destroyed) socket.unshift(seen);
      resolve(found);
    };
    const gone = () => finish({ is: "incomplete" });
    const look = () => {
      for (let piece = socket.read(); piece !== null; piece = socket.read()) {
        seen = Buffer.concat([seen, piece as Buffer]);
        const found = readOpening(seen);
        if (found.is !== "incomplete") return finish(found);
        pieces += 1;
        if (seen.length > 2 * MOST_HELLO_BYTES || pieces > MOST_PIECES) return gone();
      }
    };
    const timer = setTimeout(gone, timeoutMs);
    socket.on("readable", look).on("end", gone).on("close", gone);
    look();
  });
  return opening;
}
