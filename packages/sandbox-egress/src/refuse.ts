import type { IncomingMessage, ServerResponse } from "node:http";
import type { Duplex } from "node:stream";
import { type Denial, DenialError, renderDenial } from "./denial.ts";

/** Tells the agent why. With an answer under way, the only thing left to say is to cut it. */
export function refuse(request: IncomingMessage, response: ServerResponse, error: unknown): void {
  if (response.writableEnded) return;
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  const { status, phrase, headers, body } = renderDenial(asDenial(error), request.headers.accept);
  response.writeHead(status, phrase, [...headers]);
  response.end(request.method === "HEAD" ? undefined : body);
}

/** The same on a bare socket, in place of the answer to CONNECT. */
export function refuseTunnel(socket: Duplex, error: unknown): void {
  const { status, phrase, headers, body } = renderDenial(asDenial(error), undefined);
  const lines: string[] = [];
  for (let at = 0; at < headers.length; at += 2) lines.push(`${headers[at]}: ${headers[at + 1]}\r\n`);
  socket.end(`HTTP/1.1 ${status} ${phrase}\r\n${lines.join("")}\r\n${body}`);
}

export function asDenial(error: unknown): Denial {
  if (error instanceof DenialError) return error.denial;
  return { code: "unavailable", reason: "the request failed in the proxy" };
}
