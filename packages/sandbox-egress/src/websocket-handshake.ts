import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { type FlatHeaders, fieldValue } from "./headers.ts";
import { headerValue, type RequestHead } from "./request-checks.ts";

/** RFC 6455, section 1.3. */
const GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/** Something wants to become a WebSocket, rightly or not. Other upgrades are not passed on: the request is an ordinary one. */
export function asksForWebSocket({ headers }: IncomingMessage): boolean {
  return /websocket/i.test(headers.upgrade ?? "");
}

/** What is wrong with an opening handshake (RFC 6455, section 4.2.1); undefined where nothing is. Pure. */
export function handshakeProblem({ method, httpVersion, rawHeaders }: RequestHead): string | undefined {
  const value = (name: string) => headerValue(rawHeaders, name) ?? "";
  if (method !== "GET" || httpVersion !== "1.1") return "a WebSocket begins with GET and HTTP/1.1";
  if (value("upgrade").toLowerCase() !== "websocket") return "a WebSocket upgrades to websocket alone";
  if (!/(^|,) *upgrade *(,|$)/i.test(value("connection"))) return "Connection does not name the upgrade";
  if (value("sec-websocket-version") !== "13") return "the version of WebSocket is 13";
  // 16 bytes in base64. Without a key of its own, an answer from elsewhere would do.
  if (!/^[A-Za-z0-9+/]{22}==$/.test(value("sec-websocket-key"))) return "Sec-WebSocket-Key is no key";
  const names = rawHeaders.filter((_, at) => at % 2 === 0).map((name) => name.toLowerCase());
  if (names.filter((name) => name === "sec-websocket-key").length > 1) return "Sec-WebSocket-Key comes twice";
  if (names.some((name) => name === "content-length" || name === "transfer-encoding"))
    return "an opening handshake has no body";
  return undefined;
}

/**
 * What is wrong with a server's 101 (section 4.1). One that does not know the key speaks no WebSocket: it was talked into
 * 101, and what follows is something else.
 */
export function answerProblem(answered: FlatHeaders, asked: FlatHeaders): string | undefined {
  const key = headerValue(asked, "sec-websocket-key") ?? "";
  if (fieldValue(answered, "upgrade")?.toLowerCase() !== "websocket") return "it upgrades to something else";
  const accept = createHash("sha1").update(key + GUID);
  if (fieldValue(answered, "sec-websocket-accept") !== accept.digest("base64"))
    return "it has not read the key";
  if (fieldValue(answered, "sec-websocket-extensions") !== undefined)
    return "it uses an extension that nobody offered";
  return undefined;
}
