import type { Postgres } from "@sallyport/testkit";

/** A pool of sandboxes: the runner's settings of it, and what the edge says that a session in it must have. */
export interface SandboxPlan {
  pool: object;
  requirements: object;
}

/** What a stack offers behind its tunnel, in the words of the zones' own configuration. */
export interface StackPlan {
  /** State folder: keys, configurations, data and logs. It must be empty or new. */
  dir: string;
  /** Port of the edge; picked by the system unless told. */
  port?: number;
  /** Port of the OAuth issuer. */
  issuerPort?: number;
  /** Whether a PostgreSQL with dynamic users is part of it. */
  postgres?: { schema: string };
  /** What Vault's KV engine holds: path below `sallyport/` → fields. */
  secrets: Record<string, Record<string, string>>;
  /** Connector configuration of each server, given what else was started. */
  servers(parts: { postgres: Postgres | undefined }): Record<string, object>;
  credentials: Record<string, object>;
  leaseRules: readonly object[];
  policies: Record<string, string>;
  connectors?: readonly string[];
  /** Pools of sandboxes. Without them there is no runner. */
  sandboxes?: Record<string, SandboxPlan>;
  /** Runners, each of which serves all pools; one unless told. */
  runners?: readonly string[];
  /** How long a session may wait for a runner. */
  placement?: string;
  /** Pools whose tools are run by workers outside: the runner's settings of them. */
  workers?: Record<string, object>;
  /** Environments of Anthropic's that the runner serves: its settings of them. */
  environments?: readonly object[];
  /** How long edge and connectors wait for calls in progress when they stop. */
  drain?: string;
  /** Whether the audit log is on disk before it is acknowledged. */
  syncAudit?: boolean;
  sampleRatio?: number;
  agent?: string;
  /** More flags for each zone's Node, such as `--cpu-prof`. */
  nodeArgs?: readonly string[];
  /** Run what `pnpm build` made, as it ships, instead of the source. */
  built?: boolean;
  onExit?(process: string): void;
  progress?(step: string): void;
}
