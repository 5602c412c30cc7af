import { asServiceError, ServerName, ServiceError } from "@sallyport/contracts";
import { invalid, type Message, readMessage, routingHeaders } from "@sallyport/mcp";
import { type CallSpan, startCallSpan } from "./call-span.ts";
import { type Addressing, checkRequest } from "./http/check-request.ts";
import type { HttpCall } from "./http/http-call.ts";
import { passingHeaders } from "./http/passing-headers.ts";
import { failure, failureEvent, firstRequestId, problem, Refusal } from "./http/refusal.ts";
import { ReplyWriter, send } from "./http/reply-writer.ts";
import type { Caller } from "./tunnel/grants.ts";
import type { Route, Routed } from "./tunnel/router.ts";
import type { OpenTunnel } from "./tunnel/tunnel.ts";

export interface CallDeps {
  addressing: Addressing;
  authenticate(authorization: string | undefined, server: string): Promise<Caller>;
  route(call: Routed): Route | Promise<Route>;
  /** Has a far end's question answered in the course of a call; undefined for a server that may have none. */
  answerer?(call: {
    server: string;
    runner: string;
    traceparent: string | undefined;
  }): ((question: Uint8Array, signal: AbortSignal) => Promise<Uint8Array>) | undefined;
  limits: { body: number; answer: number };
  publicUrl: string;
}

/**
 * One call, in order. What happens to it after step 5 is in the gate's `handle-exchange.ts`.
 * Every refusal and failure is answered here; nothing is thrown.
 */
export async function handleCall(deps: CallDeps, call: HttpCall): Promise<void> {
  let span: CallSpan | undefined;
  let messages: readonly Message[] = [];
  try {
    // 1. Is it addressed to us, and well formed as HTTP?
    checkRequest(call.request, deps.addressing);
    const server = serverOf(call);
    // 2. Who calls, and may they call this server at all?
    const caller = await deps.authenticate(call.request.headers.authorization, server);
    // 3. What is asked? Read, checked, never written again.
    messages = messagesOf(call, deps.limits.body);
    span = startCallSpan({ call, messages, caller });
    // 4. Where does it go? For a new session in a sandbox, a runner claims it first.
    const way = deps.route(routed(call, { server, messages, span }));
    // Without a wait where there is none: of calls that come together each must count before the next is chosen for.
    const { tunnel, work } = way instanceof Promise ? await way : way;
    // 5. Under the caller's grant, which is signed and shown when a token first meets a tunnel.
    const grant = await tunnel.grants.use(caller, server);
    // 6. The exchange: sealed there, and its reply written as it comes.
    exchange(deps, { ...call, server, messages, tunnel, grant, span, work });
  } catch (thrown) {
    const answer =
      thrown instanceof Refusal
        ? thrown.answer
        : failure(asServiceError(thrown), {
            messages,
            sent: false,
            source: "edge",
            resource: { publicUrl: deps.publicUrl, server: call.server },
          });
    span?.end({ status: answer.status, error: asServiceError(thrown) });
    send(call.response, answer);
  }
}

function exchange(
  deps: CallDeps,
  call: HttpCall & {
    messages: readonly Message[];
    tunnel: OpenTunnel;
    grant: { handle: number; release(): void };
    span: CallSpan;
    work: string | undefined;
  },
): void {
  const { tunnel, grant, span, messages } = call;
  const failed = {
    messages,
    sent: true,
    source: "relay",
    resource: { publicUrl: deps.publicUrl, server: call.server },
  } as const;
  const over = new AbortController();
  const writer = new ReplyWriter(call.response, {
    answer: (error) => failure(error, failed),
    lastEvent: (error) => failureEvent(error, messages),
    finished: (outcome) => {
      over.abort(new ServiceError("unavailable", "the call is over"));
      grant.release();
      span.end(outcome);
    },
  });
  const { server } = call;
  const answerer = deps.answerer?.({
    server,
    runner: tunnel.connector,
    traceparent: span.trace?.traceparent,
  });
  if (answerer !== undefined)
    writer.ask = (question, answer) => void answerer(question, over.signal).then(answer);
  const opened = tunnel.link.open(
    {
      head: {
        grant: grant.handle,
        server: call.server,
        method: call.method,
        headers: passingHeaders(call.request.rawHeaders),
        ...(span.trace ? { trace: span.trace } : {}),
        ...(call.work === undefined ? {} : { work: call.work }),
        deadlineMs: deps.limits.answer,
      },
      body: call.body,
      deadlineMs: deps.limits.answer,
    },
    writer,
  );
  writer.attach(opened);
}

function serverOf(call: HttpCall): string {
  const name = ServerName.safeParse(call.server);
  if (!name.success) throw problem(404, "no such server");
  return name.data;
}

function messagesOf(call: HttpCall, maxBytes: number): readonly Message[] {
  if (call.method !== "POST") return [];
  const type = call.request.headers["content-type"]?.split(";")[0]?.trim().toLowerCase();
  if (type !== "application/json") throw problem(415, "a POST to this endpoint is application/json");
  const reading = readMessage(call.body, {
    headers: routingHeaders(Object.entries(call.request.headers)),
    limits: { maxBytes },
  });
  if (!reading.ok) throw new Refusal(invalid(reading.refusal, "edge"));
  return reading.messages;
}

function routed(
  { request, method }: HttpCall,
  of: { server: string; messages: readonly Message[]; span: CallSpan },
): Routed {
  const { server, messages, span } = of;
  const session = request.headers["mcp-session-id"];
  return {
    server,
    messages,
    session: typeof session === "string" ? session : undefined,
    begins: method === "GET" || firstRequestId(messages) !== undefined,
    traceparent: span.trace?.traceparent,
  };
}
