import type { IncomingMessage, ServerResponse } from "node:http";
import { hostHeaderValidation, originValidation } from "@modelcontextprotocol/node";
import { bearerMatches, type TokenSource } from "./bearer.ts";

const LOOPBACK_NAMES = ["localhost", "127.0.0.1", "[::1]"];

export interface GuardOptions {
  /** Absent: no token is needed. */
  readonly token?: TokenSource | undefined;
  /** The address that is bound: a client that dials it puts it in Host. */
  readonly host?: string | undefined;
  /** Further names that may stand in Host and Origin, without port. */
  readonly allowedHosts?: readonly string[] | undefined;
}

/** Answers the request itself and returns false where it must not go on. */
export type Guard = (req: IncomingMessage, res: ServerResponse) => boolean;

/**
 * Host and Origin first: a page in a browser on this machine could otherwise reach a local server under a
 * name of its own (DNS rebinding). Then the bearer token.
 */
export function guard({ token, host, allowedHosts = [] }: GuardOptions): Guard {
  const names = [...LOOPBACK_NAMES, ...allowedHosts];
  // Browsers dial 0.0.0.0 as loopback, so a wildcard is never a name.
  if (host !== undefined && host !== "0.0.0.0" && host !== "::") {
    names.push(host.includes(":") ? `[${host}]` : host);
  }
  const hostAllowed = hostHeaderValidation(names);
  const originAllowed = originValidation(names);
  return (req, res) => {
    if (!hostAllowed(req, res) || !originAllowed(req, res)) return false;
    if (token === undefined || bearerMatches(req.headers.authorization, token)) return true;
    res.writeHead(401, { "www-authenticate": "Bearer", "content-type": "application/json" });
    res.end(JSON.stringify({ error: "a valid bearer token is required" }));
    return false;
  };
}
