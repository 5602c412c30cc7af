import { randomBytes } from "node:crypto";
import { chmod, mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { type AuditFields, digest } from "@sallyport/audit";
import { systemResolver } from "@sallyport/egress";
import type { LivePolicies } from "@sallyport/policy";
import {
  type EgressDeps,
  type EgressRecord,
  javaTrustStore,
  openEgress,
  type Placeholder,
  placeholderValue,
  withPlaceholders,
} from "@sallyport/sandbox-egress";
import { type Authorities, withAuthority } from "./authorities.ts";
import type { CallContext } from "./call-context.ts";
import type { EgressConfig } from "./egress-config.ts";
import { egressSpan } from "./egress-span.ts";
import type { PlacedSecrets } from "./placed-secrets.ts";

const javaStore = "/tmp/home/.sallyport/java-trust.p12";

export interface DoorDeps {
  /** Of this runner, for doors alone; other users can pass through. */
  folder: string;
  pool: string;
  tenant: string;
  egress: EgressConfig;
  authorities: Authorities;
  policies: LivePolicies;
  audit: { append(fields: AuditFields): Promise<void> };
  placed: PlacedSecrets;
}

/** A sandbox's way out, as its spec, its environment and its files have it. */
export interface Door {
  socket: string;
  /** PEM file that becomes the store of trust inside. */
  certificates: string;
  /** Variable → placeholder. */
  environment: Readonly<Record<string, string>>;
  /** Path inside → content; with Java's own store of trust, where hosts are vouched for by the door. */
  files: ReadonlyMap<string, Uint8Array>;
  javaTrust: string | undefined;
  close(): Promise<void>;
}

/** Whose door it is. `context` is that of the session's latest call: requests are made, and recorded, on its behalf. */
export interface DoorOwner {
  handle: string;
  principal: string;
  context(): CallContext | undefined;
}

/** Opens the egress proxy of one sandbox. Which socket a request comes from says whose it is. */
export async function openDoor(deps: DoorDeps, owner: DoorOwner): Promise<Door> {
  const first = owner.context();
  if (first === undefined) throw new Error("a door is opened for a call alone");
  const folder = join(deps.folder, randomBytes(8).toString("hex"));
  const undo: (() => Promise<unknown> | unknown)[] = [() => rm(folder, { recursive: true, force: true })];
  const close = async () => {
    for (const step of undo.splice(0).reverse()) await step();
  };
  try {
    await mkdir(folder);
    await chmod(folder, 0o711);
    const { egress, policies, authorities } = deps;
    const placeholders = placeholdersOf(egress);
    const all = Object.values(placeholders);
    const socket = join(folder, "egress.sock");
    const proxy = await openEgress(
      {
        ...{ sandbox: owner.handle, socketPath: socket, policy: policies.http, placeholders: all },
        identity: { agent: first.who.agent, user: first.who.user },
        tokenEndpoints: egress.tokenEndpoints,
      },
      egressDeps(deps, owner),
    );
    undo.push(() => proxy.close());
    undo.push(policies.onChange(() => proxy.setPolicy(policies.http)));
    const { certificate } = proxy;
    const certificates =
      certificate === undefined
        ? authorities.file
        : await withAuthority(authorities, join(folder, "certificates.pem"), certificate);
    const files = new Map<string, Uint8Array>(
      Object.entries(egress.files).map(([path, text]) => [path, Buffer.from(withPlaceholders(text, all))]),
    );
    // Java's own store knows the public authorities; only what the door signs is strange to it.
    const javaTrust = certificate === undefined ? undefined : javaStore;
    if (javaTrust !== undefined) files.set(javaTrust, javaTrustStore(`${authorities.text}\n${certificate}`));
    const environment = Object.fromEntries(
      Object.entries(placeholders).map(([variable, { value }]) => [variable, value]),
    );
    return { socket, certificates, environment, files, javaTrust, close };
  } catch (error) {
    await close();
    throw error;
  }
}

function placeholdersOf({ credentials }: EgressConfig): Record<string, Placeholder> {
  return Object.fromEntries(
    Object.entries(credentials).map(([variable, { credential, prefix, length, bindings }]) => [
      variable,
      { value: placeholderValue(prefix, length), credential, bindings },
    ]),
  );
}

function egressDeps(deps: DoorDeps, owner: DoorOwner): EgressDeps {
  const session = digest(owner.handle);
  return {
    record: async (record) => {
      const context = owner.context();
      egressSpan(context?.traceparent, record);
      await deps.audit.append(auditFields(deps, { record, context, session }));
    },
    lease: async (credential) => {
      const context = owner.context();
      if (context === undefined) throw new Error("no call asks for it");
      // The lease is the sandbox's: it ends with it, or when nothing has used it for a while.
      const used = await context.credential(credential, session);
      used.done();
      deps.placed.add(owner, { name: credential, ...used.lease.material });
      return used.lease.material;
    },
    resolver: systemResolver,
    addresses: new Map(Object.entries(deps.egress.addresses)),
    trust: deps.authorities.trust,
    limits: {
      connections: deps.egress.connections,
      headerBytes: 32 * 1024,
      headTimeoutMs: 10_000,
      connectTimeoutMs: 5_000,
      idleMs: 120_000,
      totalMs: deps.egress.longest,
    },
  };
}

function auditFields(
  { pool, tenant, policies }: DoorDeps,
  of: { record: EgressRecord; context: CallContext | undefined; session: string },
): AuditFields {
  const { record, context } = of;
  const { method, scheme, host, port, path, outcome, ruleId, reason, credentials } = record;
  return {
    kind: "decision",
    action: "http/request",
    target: `${method} ${scheme}://${host}:${port}${path}`.slice(0, 256),
    allow: outcome === "allowed",
    rule: ruleId,
    reason,
    credential: credentials?.join(" ").slice(0, 256),
    policyDigest: policies.digest,
    tenant,
    server: pool,
    session: of.session,
    agent: record.agent,
    user: record.user,
    grant: context?.who.grant,
    traceId: context?.traceparent?.split("-")[1],
  };
}
