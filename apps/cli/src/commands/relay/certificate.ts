import { X509Certificate } from "node:crypto";
import { join } from "node:path";
import { readIfThere, renewRelayCertificate, replaceFile } from "@sallyport/installation";
import type { Command } from "commander";
import { type CommandContext, type CommonOptions, command, outJson } from "../../base-command.ts";
import { CommandFailure } from "../../command-failure.ts";
import { type Installation, installationFolder, openInstallation } from "../../installation/installation.ts";
import { hostsOf } from "../../installation/make-installation.ts";
import { installationOption } from "../zone/site.ts";

interface Options extends CommonOptions {
  installation?: string;
}

export function certificateCommand(context: CommandContext): Command {
  const { terminal } = context;
  return command(context, {
    name: "certificate",
    summary: "make the relay's key and certificate anew, by the authority that `init --make-ca` made",
    more:
      "Zones need not hear of it: they believe the authority. Put both files on the relay's machine and let it read them\n" +
      "(nats-server --signal reload): no connection ends.",
    examples: ["relay certificate --installation acme", "relay certificate --json"],
  })
    .addOption(installationOption())
    .action(async (options: Options) => {
      const installation = await openInstallation(options.installation);
      const { certificate, key } = await anew(installation);
      const files = [installationFolder.relayCertificate, installationFolder.relayKey] as const;
      const [certFile, keyFile] = files.map((file) => join(installation.folder, file)) as [string, string];
      await replaceFile(keyFile, key);
      await replaceFile(certFile, certificate, 0o644);
      const until = new X509Certificate(certificate).validToDate.toISOString();
      if (options.json) outJson(terminal, { certFile, keyFile, until });
      else {
        terminal.out(`certificate: ${certFile}\nkey:         ${keyFile}\nuntil:       ${until}\n`);
        terminal.say("Put both on the relay's machine, then there: nats-server --signal reload\n");
      }
    });
}

async function anew({ folder, facts }: Installation): Promise<{ certificate: string; key: string }> {
  const key = await readIfThere(join(folder, installationFolder.relayCaKey));
  if (key === undefined || facts.relay.ca === undefined) {
    throw new CommandFailure("refused", "the relay's authority is not of this installation's making", {
      setting: "--installation",
      fix: "get a certificate where you got the first one",
    });
  }
  try {
    return renewRelayCertificate({ certificate: facts.relay.ca, key }, hostsOf(facts.relay.servers));
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new CommandFailure("failed", why, {
      fix: `restore ${installationFolder.relayCaKey} from its backup`,
      cause,
    });
  }
}
