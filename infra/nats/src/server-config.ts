import type { Trust } from "./trust.ts";

export interface ServerConfigOptions {
  jetstream: {
    dir: string;
    /** Sync to disk before a publish is acknowledged. Where there is one node, audit is not durable without it. */
    syncAlways: boolean;
    maxBytes: number;
  };
  /**
   * Where the server keeps its accounts: they can then be changed, and users cut off, while it runs. Without it the
   * accounts are as they are in this text, for as long as the server lives.
   */
  resolver?: { dir: string };
  /** A file beside this one that has `accountsConfig`: it is written anew when somebody is cut off. Inline without it. */
  accountsFile?: string;
  /** `host:port`; without it the server's own default, or what else its configuration says. */
  listen?: string;
  /** TLS for clients. With `caFile` they must show a certificate too. */
  tls?: ServerTls;
  /** For zones whose way out knows HTTPS alone. Always with TLS. */
  websocket?: { listen: string; tls: ServerTls };
}

export interface ServerTls {
  certFile: string;
  keyFile: string;
  /** Who must have signed the other side's certificate. */
  caFile?: string;
}

/** The text of a nats-server configuration in operator mode: only users whose JWT this trust signed may connect. */
export function serverConfig(trust: Trust, options: ServerConfigOptions): string {
  const { operator, systemAccount } = trust.documents;
  const { dir, syncAlways, maxBytes } = options.jetstream;
  const { websocket } = options;
  if (!Number.isSafeInteger(maxBytes) || maxBytes <= 0) throw new RangeError("maxBytes is a number of bytes");
  return [
    ...(options.listen === undefined ? [] : [`listen: ${quoted(options.listen)}`]),
    `operator: ${quoted(operator)}`,
    `system_account: ${quoted(systemAccount.id)}`,
    ...resolverLines(options.resolver),
    options.accountsFile === undefined
      ? accountsConfig(trust).trimEnd()
      : `include ${quoted(`./${options.accountsFile}`)}`,
    "max_payload: 1MB",
    "max_control_line: 4KB",
    "jetstream {",
    `  store_dir: ${quoted(dir)}`,
    `  max_file_store: ${maxBytes}`,
    "  max_memory_store: 64MB",
    ...(syncAlways ? ["  sync_interval: always"] : []),
    "}",
    ...(options.tls === undefined ? [] : tlsBlock(options.tls)),
    ...(websocket === undefined
      ? []
      : [
          "websocket {",
          `  listen: ${quoted(websocket.listen)}`,
          ...tlsBlock(websocket.tls).map(indent),
          "}",
        ]),
    "",
  ].join("\n");
}

/**
 * The accounts that a server begins with, with what is revoked in them now. A server that has later ones in its resolver's
 * folder keeps those.
 */
export function accountsConfig(trust: Trust): string {
  const { systemAccount, accounts } = trust.documents;
  const all = [systemAccount, ...Object.values(accounts)];
  return ["resolver_preload {", ...all.map(({ id, jwt }) => `  ${id}: ${quoted(jwt)}`), "}", ""].join("\n");
}

/** `full`: every server of a cluster keeps all accounts, and brings the others up to date. Nobody may delete one. */
function resolverLines(resolver: ServerConfigOptions["resolver"]): string[] {
  if (resolver === undefined) return ["resolver: MEMORY"];
  return [
    "resolver {",
    "  type: full",
    `  dir: ${quoted(resolver.dir)}`,
    "  allow_delete: false",
    '  interval: "1m"',
    "}",
  ];
}

const indent = (line: string) => `  ${line}`;

function tlsBlock(tls: ServerTls): string[] {
  return [
    "tls {",
    `  cert_file: ${quoted(tls.certFile)}`,
    `  key_file: ${quoted(tls.keyFile)}`,
    ...(tls.caFile === undefined ? [] : [`  ca_file: ${quoted(tls.caFile)}`, "  verify: true"]),
    `  min_version: ${quoted("1.3")}`,
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
