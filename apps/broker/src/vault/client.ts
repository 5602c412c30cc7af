import { readFileSync } from "node:fs";
import { SpanKind, SpanStatusCode, type Tracer } from "@opentelemetry/api";
import nodeVault from "node-vault";
import { z } from "zod";
import { VaultFailure, type VaultProblem } from "./failure.ts";
import { boundedTransport } from "./transport.ts";

export interface VaultAddress {
  /** `https://vault.example:8200`, without a path. */
  address: string;
  /** PEM of the authorities that sign Vault's certificate; the system's own without it. */
  caFile?: string | undefined;
  namespace?: string | undefined;
}

export interface VaultAsk {
  method: "read" | "write";
  /** Below `/v1/`, without a leading slash. It is shown in traces and errors. */
  path: string;
  body?: Record<string, unknown>;
  token?: string;
  signal: AbortSignal;
}

const Reply = z.object({
  lease_id: z.string().optional(),
  lease_duration: z.number().optional(),
  renewable: z.boolean().optional(),
  data: z.record(z.string(), z.unknown()).nullish(),
  auth: z
    .object({ client_token: z.string().min(1), lease_duration: z.number(), renewable: z.boolean() })
    .nullish(),
});
export type VaultReply = z.output<typeof Reply>;

/** Vault's HTTP API, one bounded request at a time. Everything it throws is a VaultFailure. */
export interface VaultClient {
  ask(ask: VaultAsk): Promise<VaultReply>;
  /** What Vault says of itself, without a token. */
  health(signal: AbortSignal): Promise<{ initialized: boolean; sealed: boolean }>;
  close(): void;
}

export function vaultClient(at: VaultAddress, tracer: Tracer): VaultClient {
  const transport = boundedTransport(at.caFile === undefined ? {} : { ca: readFileSync(at.caFile, "utf8") });
  const vault = nodeVault({
    endpoint: at.address,
    // With DEBUG=node-vault its own debug function prints request bodies: a secret_id among them.
    debug: () => {},
    "request-promise": { defaults: () => transport.send },
  });
  // node-vault falls back to VAULT_TOKEN and others of the environment, which would be a setting nobody reviewed.
  Object.assign(vault, { token: "", pathPrefix: "", namespace: at.namespace });

  const send = ({ method, path, body, token, signal }: VaultAsk): Promise<unknown> => {
    const options = { signal, headers: token === undefined ? {} : { "X-Vault-Token": token } };
    return method === "read" ? vault.read(path, options) : vault.write(path, body ?? {}, options);
  };
  const traced = async (ask: VaultAsk): Promise<VaultReply> => {
    const span = tracer.startSpan(`vault ${ask.method} ${ask.path}`, {
      kind: SpanKind.CLIENT,
      attributes: { "server.address": new URL(at.address).hostname },
    });
    try {
      const reply = Reply.safeParse((await send(ask)) ?? {});
      if (!reply.success) throw new VaultFailure("faulty", `vault ${ask.path}: not an answer of Vault's API`);
      return reply.data;
    } catch (thrown) {
      const failure = asFailure(thrown, ask);
      span.setStatus({ code: SpanStatusCode.ERROR, message: failure.problem });
      throw failure;
    } finally {
      span.end();
    }
  };
  return {
    ask: traced,
    health: async (signal) => {
      const path = "sys/health";
      // node-vault hands over the body whatever the status is, as each status is a state of Vault.
      const body: unknown = await vault.read(path, { signal }).catch((thrown: unknown) => {
        throw asFailure(thrown, { path, signal });
      });
      const health = z.object({ initialized: z.boolean(), sealed: z.boolean() }).safeParse(body);
      if (!health.success) throw new VaultFailure("away", `${at.address} does not answer like a Vault`);
      return health.data;
    },
    close: () => transport.close(),
  };
}

const byStatus: Record<number, VaultProblem> = {
  400: "refused",
  403: "denied",
  404: "missing",
  503: "sealed",
};

function asFailure(thrown: unknown, { path, signal }: { path: string; signal: AbortSignal }): VaultFailure {
  if (thrown instanceof VaultFailure) return thrown;
  const response = (thrown as { response?: { statusCode?: unknown } }).response;
  if (response === undefined) {
    const late = signal.aborted;
    const said = thrown instanceof Error ? (thrown as NodeJS.ErrnoException).code : undefined;
    return new VaultFailure(
      late ? "slow" : "away",
      `vault ${path}: ${late ? "no answer in time" : "no answer"}`,
      {
        cause: thrown,
        ...(said === undefined ? {} : { said }),
      },
    );
  }
  const status = Number(response.statusCode);
  // The cause is left out: it holds the whole answer.
  return new VaultFailure(byStatus[status] ?? "faulty", `vault ${path}: status ${status}`, {
    said: String((thrown as Error).message),
  });
}
