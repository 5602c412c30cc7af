import type { Trust } from "./trust.ts";

export interface ServerConfigOptions {
  jetstream: {
    dir: string;
    /** Sync to disk before a publish is acknowledged. Where there is one node, audit is not durable without it. */
    syncAlways: boolean;
    maxBytes: number;
  };
  /** `host:port`; without it the server's own default, or what else its configuration says. */
  listen?: string;
  /** TLS for clients. With `caFile` they must show a certificate too. */
  tls?: { certFile: string; keyFile: string; caFile?: string };
}

/** The text of a nats-server configuration in operator mode: only users whose JWT this trust signed may connect. */
export function serverConfig(trust: Trust, options: ServerConfigOptions): string {
  const { operator, systemAccount, account } = trust.documents;
  const { dir, syncAlways, maxBytes } = options.jetstream;
  if (!Number.isSafeInteger(maxBytes) || maxBytes <= 0) throw new RangeError("maxBytes is a number of bytes");
  return [
    ...(options.listen === undefined ? [] : [`listen: ${quoted(options.listen)}`]),
    `operator: ${quoted(operator)}`,
    `system_account: ${quoted(systemAccount.id)}`,
    "resolver: MEMORY",
    "resolver_preload {",
    `  ${systemAccount.id}: ${quoted(systemAccount.jwt)}`,
    `  ${account.id}: ${quoted(account.jwt)}`,
    "}",
    "max_payload: 1MB",
    "max_control_line: 4KB",
    "jetstream {",
    `  store_dir: ${quoted(dir)}`,
    `  max_file_store: ${maxBytes}`,
    "  max_memory_store: 64MB",
    ...(syncAlways ? ["  sync_interval: always"] : []),
    "}",
    ...(options.tls === undefined ? [] : tlsBlock(options.tls)),
    "",
  ].join("\n");
}

function tlsBlock(tls: NonNullable<ServerConfigOptions["tls"]>): string[] {
  return [
    "tls {",
    `  cert_file: ${quoted(tls.certFile)}`,
    `  key_file: ${quoted(tls.keyFile)}`,
    ...(tls.caFile === undefined ? [] : [`  ca_file: ${quoted(tls.caFile)}`, "  verify: true"]),
    "  min_version: 1.3",
    "}",
  ];
}

/** A double-quoted string of the configuration language. What would need an escape is refused: a path is plain text. */
function quoted(text: string): string {
  if (!/^[^"\\\p{Cc}]*$/u.test(text)) {
    throw new RangeError(
      `${JSON.stringify(text)} cannot stand in a NATS configuration: no quotes, backslashes, controls`,
    );
  }
  return `"${text}"`;
}
