import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Stack, type StackPlan, startStack } from "@sallyport/infra-local";

/** A private server behind the tunnel, and the credential that its requests get. */
export interface Route {
  url: string;
  secret?: string;
  /** For Basic. */
  username?: string;
  /** Where the secret goes; a bearer token unless told. */
  place?: object;
}

export interface TunnelPlan {
  routes: Record<string, Route>;
  /** Without it every agent may do everything on every route. */
  policy?: string;
  more?: Partial<StackPlan>;
}

const bearer = { in: "header", name: "authorization", prefix: "Bearer " };

/** Every zone as a process of its own with these servers behind it, in a folder that goes with `stop`. */
export async function startTunnel({ routes, policy, more = {} }: TunnelPlan): Promise<Stack> {
  const dir = await mkdtemp(join(tmpdir(), "sallyport-e2e-"));
  const remove = () => rm(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 50 });
  const guarded = Object.entries(routes).filter(([, route]) => route.secret !== undefined);
  const everything = Object.keys(routes).map(
    (server) => `@id("all-${server}") permit(principal, action, resource in Server::"${server}");`,
  );
  try {
    const stack = await startStack({
      dir,
      syncAudit: false,
      secrets: Object.fromEntries(
        guarded.map(([name, { secret = "", username = "" }]) => [
          `sallyport/${name}`,
          { token: secret, username },
        ]),
      ),
      servers: () =>
        Object.fromEntries(Object.entries(routes).map(([name, route]) => [name, configOf(name, route)])),
      credentials: Object.fromEntries(
        guarded.map(([name, { username }]) => [
          name,
          {
            kind: "kv",
            path: `sallyport/${name}`,
            field: "token",
            ...(username === undefined ? {} : { usernameField: "username" }),
          },
        ]),
      ),
      leaseRules: guarded.map(([name]) => ({
        id: name,
        credential: name,
        servers: [name],
        agents: "*",
        maxTtlSeconds: 3600,
      })),
      policies: { "test.cedar": policy ?? everything.join("\n") },
      ...more,
    });
    const { stop } = stack;
    return Object.assign(stack, { stop: () => stop().finally(remove) });
  } catch (error) {
    await remove();
    throw error;
  }
}

function configOf(name: string, { url, secret, place = bearer }: Route): object {
  return secret === undefined ? { url } : { url, credential: { name, place } };
}
