import { type IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Authority } from "./authority.ts";
import { type Denial, DenialError } from "./denial.ts";
import { Ending } from "./ending.ts";
import {
  askOf,
  type ForwardDeps,
  gone,
  headersFor,
  headOf,
  placedIn,
  type RelayDeps,
  recordRefusal,
  targetOf,
  tooLong,
} from "./forward.ts";
import { endToEnd, type FlatHeaders, pairs } from "./headers.ts";
import { placeAll } from "./place-all.ts";
import { refuse } from "./refuse.ts";
import type { Target } from "./request-target.ts";
import { passAnswer } from "./scrub-answer.ts";
import type { Ask, Session } from "./session.ts";
import { splice } from "./splice.ts";
import { endpointAt } from "./token-endpoint.ts";
import { FrameRelay, policyClose } from "./websocket-frames.ts";
import { answerProblem, handshakeProblem } from "./websocket-handshake.ts";

export interface WebSocketRequest {
  readonly request: IncomingMessage;
  readonly socket: Duplex;
  /** What came behind the request's head. */
  readonly head: Buffer;
  readonly tunnel: Authority | undefined;
}

const LAST_WORDS_MS = 500;

/**
 * A WebSocket (RFC 6455): one request that is decided and recorded as GET, then messages both ways for as long as the
 * policy allows it. No extension is passed on: compressed, messages could not be looked through.
 */
export async function openWebSocket(asked: WebSocketRequest, deps: ForwardDeps): Promise<void> {
  const { request, socket, head } = asked;
  const { session } = deps;
  const response = responseOn(request, socket as Socket);
  const ending = new Ending();
  const total = setTimeout(() => ending.end(tooLong), session.deps.limits.totalMs);
  socket.on("error", () => socket.destroy()).once("close", () => ending.end(gone));
  let leave = () => {};
  let end = (denial: Denial) => ending.end(new DenialError(denial));
  try {
    const target = await targetOf({ ...asked, url: request.url?.replace(/^ws:/i, "http:") }, session);
    const ask = askOf(request, target);
    await assertHandshake(request, target, { session, ask });
    const placed = await placedIn(request, { target, form: undefined }, session);
    const credentials = placed.map(({ credential }) => credential);
    leave = await session.admit(ask, (denial) => end(denial), credentials);
    const bare = {
      path: target.path + target.query,
      headers: openingHeaders(request, target, { ...deps, placed }),
    };
    const { path, headers } = await placeAll(placed, bare, session);
    ending.throwIfEnded();
    const answer = await deps.upstreams
      .ask(target, { method: "GET", path, headers, upgrade: "websocket" }, ending)
      .catch((error: unknown) => recordRefusal(error, request, target, { session }));
    const { rawHeaders, socket: upstream } = answer.head;
    if (upstream === undefined) return await passAnswer(answer, response, session);
    const problem = answerProblem(rawHeaders, request.rawHeaders);
    if (problem !== undefined) {
      upstream.destroy();
      const reason = `the server does not speak WebSocket: ${problem}`;
      throw new DenialError({ code: "unavailable", reason });
    }
    response.detachSocket(socket as Socket);
    if (head.length > 0) socket.unshift(head);
    socket.write(switching(rawHeaders, session), "latin1");
    await pass({ socket, upstream, ask }, session, (cut) => {
      end = cut;
    });
  } catch (error) {
    refuse(request, response, ending.reason ?? error);
  } finally {
    clearTimeout(total);
    leave();
  }
}

/** The messages, until one side or a new policy ends them. A placeholder in one is bound to nothing there. */
async function pass(
  { socket, upstream, ask }: { socket: Duplex; upstream: Socket; ask: Ask },
  session: Session,
  onEnd: (end: (denial: Denial) => void) => void,
): Promise<void> {
  const denial: Denial = { code: "placeholder", reason: "a placeholder is bound to no message" };
  const up = new FrameRelay({
    masked: true,
    look: (kind) => session.placeholders.finder.stream(kind),
    found: () => new DenialError(denial),
  });
  const down = new FrameRelay({ masked: false, look: (kind) => session.secrets.scrubber.stream(kind) });
  const end = ({ code, reason }: Denial) => {
    socket.unpipe(up);
    down.unpipe(socket);
    const cut = () => {
      clearTimeout(patience);
      socket.destroy();
      upstream.destroy();
    };
    const patience = setTimeout(cut, LAST_WORDS_MS); // a client that reads nothing is told nothing
    socket.once("close", cut).end(policyClose(`sallyport egress: ${code}: ${reason}`), cut);
  };
  onEnd(end);
  up.on("error", (error) => {
    if (!(error instanceof DenialError)) return void socket.destroy();
    end(denial);
    void session.denied(ask, denial);
  });
  down.on("error", () => socket.destroy());
  await splice(socket, upstream, { ...session.deps.limits, up, down });
}

async function assertHandshake(
  request: IncomingMessage,
  target: Target,
  { session, ask }: { session: Session; ask: Ask },
): Promise<void> {
  const endpoint = endpointAt(session.placeholders.endpoints, target);
  const reason =
    handshakeProblem(headOf(request)) ??
    (endpoint === undefined ? undefined : "a token endpoint speaks no WebSocket");
  if (reason !== undefined) throw await session.denied(ask, { code: "ambiguous", reason });
}

function openingHeaders(
  request: IncomingMessage,
  target: Target,
  deps: Pick<RelayDeps, "session" | "placed">,
): string[] {
  const sent = headersFor(request, target, { ...deps, form: undefined, endpoint: undefined });
  const kept = [...pairs(sent)].filter(([name]) => name.toLowerCase() !== "sec-websocket-extensions");
  return kept.flat();
}

/** To say no, or to pass on an answer that is no 101. */
function responseOn(request: IncomingMessage, socket: Socket): ServerResponse {
  const response = new ServerResponse(request);
  response.shouldKeepAlive = false;
  response.assignSocket(socket);
  response.once("finish", () => socket.end());
  return response;
}

function switching(rawHeaders: FlatHeaders, { secrets }: Session): string {
  const headers = [...pairs(endToEnd(rawHeaders))].map(
    ([name, value]) => `${name}: ${secrets.scrubber.text(value)}\r\n`,
  );
  const own = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
  return `${own}${headers.join("")}\r\n`;
}
