import { z } from "zod";

const name = (what: string, max: number) =>
  z.string().regex(new RegExp(`^[A-Za-z0-9_-]{1,${max}}$`), `${what}: 1 to ${max} of A-Z a-z 0-9 _ -`);

/** An MCP server as agents name it: the last part of `/mcp/{server}`. */
export const ServerName = name("a server's name", 64);
/** An instance of a zone. It is one token of a NATS subject. */
export const InstanceName = name("an instance's name", 64);
export const CredentialName = name("a credential's name", 64);
/** A session's digest: opaque, fit for a key. */
export const SessionName = name("a session", 64);
