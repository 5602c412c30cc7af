import { resolve } from "node:path";
import { writeNew } from "@sallyport/installation";
import { fingerprint, generateRecipientKey, privateKeyText } from "@sallyport/seal";
import type { Command } from "commander";
import { type CommandContext, type CommonOptions, command, outJson } from "../../base-command.ts";
import { CommandFailure } from "../../command-failure.ts";
import type { EnrolledZone } from "./enrolled-zone.ts";

interface Options extends CommonOptions {
  out: string;
}

export function keygenCommand(context: CommandContext, { zone }: EnrolledZone): Command {
  const { terminal } = context;
  return command(context, {
    name: "keygen",
    summary: `make a ${zone}'s key, on the ${zone}'s own machine`,
    more: "The private key goes into the file and stays there. The public key is what an operator enrols.",
    examples: [
      `${zone} keygen --out ${zone}.key`,
      `${zone} keygen --out ${zone}.key --json | jq -r .publicKey > ${zone}.pub`,
    ],
  })
    .requiredOption(
      "--out <file>",
      "where the private key goes (0600); a file that is there is never replaced",
    )
    .action(async (options: Options) => {
      const file = resolve(options.out);
      const { publicKey, privateKey } = await generateRecipientKey();
      await keep(file, `${privateKeyText(privateKey)}\n`, zone);
      const shown = { publicKey, fingerprint: fingerprint(publicKey), privateKeyFile: file };
      if (options.json) {
        outJson(terminal, shown);
        return;
      }
      terminal.out(`public key:  ${publicKey}\nfingerprint: ${shown.fingerprint}\n`);
      terminal.say(
        `The private key is in ${file}. Send the public key to an operator, and read the fingerprint to them.\n`,
      );
    });
}

async function keep(file: string, text: string, zone: EnrolledZone["zone"]): Promise<void> {
  try {
    await writeNew(file, text);
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    const what = code === "EEXIST" ? `${file} exists already` : `${file} cannot be written (${code})`;
    const fix =
      code === "EEXIST"
        ? `name another file: a key that is replaced by mistake cuts its ${zone} off`
        : "name a file in a folder that you may write";
    throw new CommandFailure("failed", what, { setting: "--out", fix, cause });
  }
}
