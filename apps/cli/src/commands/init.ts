import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { problemsOfAuthority } from "@sallyport/installation";
import type { Command } from "commander";
import { type CommandContext, type CommonOptions, command, outJson } from "../base-command.ts";
import { CommandFailure } from "../command-failure.ts";
import { makeInstallation } from "../installation/make-installation.ts";
import { provisionLine } from "../installation/provision-line.ts";
import { issuerMetadata } from "../issuer/metadata.ts";

interface Options extends CommonOptions {
  out: string;
  tenant: string[];
  relay: string[];
  ca?: string;
  makeCa?: boolean;
  issuer: string;
  publicUrl: string;
  jwksUrl?: string;
  issuerCa?: string;
  relayFolder?: string;
  data: string;
  maxBytes: string;
  cluster?: boolean;
}

export function initCommand(context: CommandContext): Command {
  const { terminal } = context;
  return command(context, {
    name: "init",
    summary:
      "make an installation: the operator's keys, one account for each tenant, the relay's configuration",
    more:
      "The folder is the operator's: keep it off every server. Only its relay/ goes to the relay's machine. Keys are made here\n" +
      "and are for their owner alone (0600); what a zone gets of it is a bundle without any secret.",
    examples: [
      "init --out acme --tenant acme --relay tls://relay.example.com:4222 --relay wss://relay.example.com:443 --make-ca --issuer https://login.example.com --public-url https://agents.example.com",
      "init --out two --tenant acme --tenant other --relay tls://relay.example.com:4222 --ca relay-ca.pem --issuer https://login.example.com --public-url 'https://{tenant}.example.com'",
    ],
  })
    .requiredOption("--out <folder>", "the installation; it must be empty or not there")
    .requiredOption("--tenant <name...>", "a tenant; each has an account that nothing crosses")
    .requiredOption("--relay <url...>", "where zones reach the relay: tls://host:port, wss://host:port")
    .option(
      "--ca <file>",
      "PEM of the authority that signed the relay's certificate (default: the system's own)",
    )
    .option("--make-ca", "make an authority for the relay alone, and the relay's certificate")
    .requiredOption("--issuer <url>", "who issues agents' tokens")
    .requiredOption("--public-url <url>", "what agents call; {tenant} in it is the tenant's name")
    .option("--jwks-url <url>", "the issuer's keys (default: as its metadata says)")
    .option(
      "--issuer-ca <file>",
      "PEM of the authority that signed the issuer's certificate (default: the system's own); with --jwks-url",
    )
    .option(
      "--relay-folder <folder>",
      "where relay/ will be on the relay's machine (default: where it is made)",
    )
    .option("--data <folder>", "where the relay keeps its streams and accounts", "/data")
    .option("--max-bytes <n>", "bytes that all streams may take", String(10 * 1024 ** 3))
    .option("--cluster", "several servers: writes are not synced one by one")
    .action(async (options: Options) => {
      const folder = resolve(options.out);
      if (existsSync(folder) && readdirSync(folder).length > 0) {
        const fix = "name another folder: nothing in it was changed";
        throw new CommandFailure("failed", `${folder} is not empty`, { setting: "--out", fix });
      }
      if (options.ca !== undefined && options.makeCa === true)
        throw new CommandFailure("usage", "give one of --ca and --make-ca", { setting: "--ca" });
      if (options.issuerCa !== undefined && options.jwksUrl === undefined)
        throw new CommandFailure("usage", "this command asks the issuer as the system trusts it", {
          setting: "--jwks-url",
          fix: "say where its keys are: they are not asked for here",
        });
      const jwksUrl = options.jwksUrl ?? (await issuerMetadata(options.issuer)).metadata.jwks_uri;
      const maxBytes = Number(options.maxBytes);
      if (!Number.isSafeInteger(maxBytes) || maxBytes <= 0)
        throw new CommandFailure("usage", "give a number of bytes", { setting: "--max-bytes" });
      const made = await makeInstallation(folder, {
        ...{ tenants: options.tenant, servers: options.relay, cluster: options.cluster === true },
        tokens: {
          ...{ issuer: options.issuer, publicUrl: options.publicUrl, jwksUrl },
          ...(options.issuerCa === undefined ? {} : { ca: authorityIn(options.issuerCa, "issuer") }),
        },
        authority: options.makeCa === true ? "make" : options.ca && authorityIn(options.ca, "relay"),
        relayFolder: options.relayFolder ?? join(folder, "relay"),
        ...{ data: options.data, maxBytes },
      }).catch(notWritten);
      if (options.json) {
        outJson(terminal, { folder, operator: made.operator, tenants: options.tenant, relay: options.relay });
        return;
      }
      terminal.out(`installation: ${folder}\noperator:     ${made.operator}\n`);
      terminal.say(next(folder, options));
    });
}

function notWritten(cause: unknown): never {
  const { code } = cause as NodeJS.ErrnoException;
  if (cause instanceof CommandFailure || code === undefined) throw cause;
  const fix = "name a folder that you may write, on a disk with room";
  throw new CommandFailure("failed", `the installation cannot be written (${code})`, {
    setting: "--out",
    fix,
    cause,
  });
}

function authorityIn(file: string, of: "relay" | "issuer"): string {
  const setting = of === "relay" ? "--ca" : "--issuer-ca";
  let pem: string;
  try {
    pem = readFileSync(file, "utf8");
  } catch (cause) {
    const why = (cause as NodeJS.ErrnoException).code;
    throw new CommandFailure("usage", `${file} cannot be read (${why})`, { setting, cause });
  }
  const [problem] = problemsOfAuthority(of, pem, new Date());
  if (problem === undefined) return pem;
  throw new CommandFailure("usage", `${file}: ${problem.what}`, { setting });
}

function next(folder: string, { tenant, relay, makeCa, ca, relayFolder }: Options): string {
  const at = relayFolder ?? join(folder, "relay");
  const reached = { folder, servers: relay, pinned: makeCa === true || ca !== undefined };
  const provision = tenant.map((one) => `  ${provisionLine(one, reached)}\n`);
  const certificate = makeCa ? "" : `Put the relay's certificate and key into ${at}/tls.crt and tls.key.\n`;
  return (
    `${certificate}Start the relay: nats-server -c ${at}/nats-server.conf. Then make each tenant's streams:\n${provision.join("")}` +
    "Back the folder up: without trust/ no zone can be admitted, changed or cut off.\n"
  );
}
