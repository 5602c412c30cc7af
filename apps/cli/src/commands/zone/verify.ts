import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { connectBus } from "@sallyport/bus";
import { ServiceError } from "@sallyport/contracts";
import { inFlags } from "@sallyport/infra-nats";
import { type Bundle, problemsWithFolder, readInstalled, writeConnectFiles } from "@sallyport/installation";
import type { Command } from "commander";
import { type CommandContext, type CommonOptions, command, outJson } from "../../base-command.ts";
import { CommandFailure } from "../../command-failure.ts";
import { type ProxyOptions, proxyOptions, roadOfOptions } from "../../installation/relay-options.ts";
import { checkBundle, readBundle, refuse } from "./check-bundle.ts";

export interface VerifyOptions extends CommonOptions, ProxyOptions {
  operator?: string;
  dir?: string;
  online?: boolean;
}

const silent = { info: () => {}, warn: () => {}, error: () => {} };

export function verifyCommand(context: CommandContext): Command {
  const { terminal } = context;
  return proxyOptions(
    command(context, {
      name: "verify",
      summary: "check a bundle, and change nothing",
      more:
        "Who signed it and that it is as it was signed; that its NATS user was signed by its account, and that by the operator;\n" +
        "that the relay's authority counts now. With --dir, that its keys are this zone's; with --online, that the relay takes it.",
      examples: [
        "zone verify paris.bundle.json --operator OA…",
        "zone verify paris.bundle.json --dir paris/ --online",
      ],
    }),
  )
    .argument("<bundle>", "the file from the operator")
    .option("--operator <key>", "whose it must be, O…")
    .option("--dir <folder>", "the zone's folder, which has its keys")
    .option("--online", "connect to the relay with it; needs --dir")
    .action(async (file: string, options: VerifyOptions) => {
      if (options.online === true && options.dir === undefined)
        throw new CommandFailure("usage", "only the zone's own folder has the key to connect with", {
          setting: "--dir",
        });
      const bundle = readBundle(file);
      const folder = options.dir === undefined ? undefined : resolve(options.dir);
      const known = folder === undefined ? undefined : (await readInstalled(folder))?.operator;
      refuse(file, checkBundle(bundle, { known, named: options.operator }));
      if (folder !== undefined) refuse(file, await problemsWithFolder(bundle, folder));
      if (folder !== undefined && options.online === true) await tryRelay(bundle, { folder, options });
      const checked = [
        "signature",
        "JWTs",
        "authority",
        ...(folder === undefined ? [] : ["keys"]),
        ...(options.online === true ? ["relay"] : []),
      ];
      const { zone, instance, tenant, operator, issuedAt } = bundle;
      const pinned = (known ?? options.operator) !== undefined;
      if (options.json) outJson(terminal, { zone, instance, tenant, operator, issuedAt, checked, pinned });
      else
        terminal.out(
          `${zone} ${instance} of ${tenant}, by ${operator} at ${issuedAt}: ${checked.join(", ")} are good\n`,
        );
      if (!pinned)
        terminal.say(
          "Compare the operator's key: whoever swaps the bundle swaps the key in it. Or say --operator.\n",
        );
    });
}

/** Connects as the zone does, from a folder of the moment: nothing is installed by looking. */
async function tryRelay(
  bundle: Bundle,
  { folder, options }: { folder: string; options: ProxyOptions },
): Promise<void> {
  const { proxy } = roadOfOptions(options);
  const scratch = await mkdtemp(join(tmpdir(), "sallyport-verify-"));
  try {
    const { creds, caFile } = await writeConnectFiles(bundle, { from: folder, to: scratch });
    const bus = await connectBus({
      servers: bundle.relay.servers,
      who: { zone: bundle.zone, instance: bundle.instance },
      credentials: { creds },
      ...{ caFile, proxy },
      log: silent,
      patienceMs: 0,
    });
    await bus.close();
  } catch (cause) {
    if (!(cause instanceof ServiceError)) throw cause;
    const refused = cause.code === "denied";
    throw new CommandFailure(refused ? "refused" : "unavailable", inFlags(cause.message), {
      fix: refused
        ? "the operator revoked it, or the relay is another operator's"
        : "check the way to the relay",
      cause,
    });
  } finally {
    await rm(scratch, { recursive: true });
  }
}
