import type { AuthInfo } from "@modelcontextprotocol/server";
import type { Caller } from "./sandboxes.ts";

/** The caller on its way through the SDK, which carries it untouched: no header or body of the request has a part in it. */
export function authInfoOf(caller: Caller, extra: Record<string, unknown> = {}): AuthInfo {
  return { token: "", clientId: caller.principal, scopes: [], extra: { ...extra, caller } };
}

/** Throws where there is none: no call is anybody's. */
export function callerOf(authInfo: AuthInfo | undefined): Caller {
  const caller = authInfo?.extra?.caller as Caller | undefined;
  if (caller === undefined) throw new Error("a request without its caller");
  return caller;
}
