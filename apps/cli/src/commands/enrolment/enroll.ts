import { readFileSync, statSync } from "node:fs";
import { Enrolment, fingerprint, parsePublicKey, SealError } from "@sallyport/seal";
import type { Command } from "commander";
import { type CommandContext, command, outJson } from "../../base-command.ts";
import { CommandFailure } from "../../command-failure.ts";
import { confirm } from "../../confirm.ts";
import { decideEnrolment, readEnrolments, writeEnrolment } from "../../enrolment/enrolments.ts";
import { type EnrolmentOptions, enrolmentFolder } from "../../enrolment/folder.ts";
import type { EnrolledZone } from "./enrolled-zone.ts";

interface Options extends EnrolmentOptions {
  publicKey?: string;
  publicKeyFile?: string;
  servers?: string;
  pools?: string;
  replace?: boolean;
  yes?: boolean;
}

export function enrollCommand(context: CommandContext, of: EnrolledZone): Command {
  const { terminal, run } = context;
  const { zone, offers, instance, offered } = of;
  return command(context, {
    name: "enroll",
    summary: `let edge and broker believe a ${zone}'s key`,
    more:
      `Compare the fingerprint with the ${zone}'s owner over another way than the key came: whoever swaps the key\n` +
      `on its way ${of.swapped}. Edge and broker see the change within seconds.`,
    examples: [
      `${zone} enroll ${instance} --public-key-file ${zone}.pub --${offers} ${offered}`,
      `${zone} enroll ${instance} --public-key spk1.… --${offers} ${offered} --enrolments /etc/sallyport/enrolments`,
    ],
  })
    .argument("<name>", `the ${zone}'s instance name, as its NATS user says`)
    .option("--public-key <key>", "its public key, spk1.…")
    .option("--public-key-file <file>", "a file that holds it")
    .requiredOption(`--${offers} <names>`, `the ${offers} that it may answer for, with commas between`)
    .option("--enrolments <folder>", "the folder that edge and broker read (default: the setting)")
    .option("--replace", "replace another key that is enrolled under this name")
    .option("-y, --yes", "the fingerprint was compared; do not ask")
    .action(async (name: string, options: Options) => {
      const folder = enrolmentFolder(options);
      const enrolment = enrolmentOf(of, name, options);
      const decision = decideEnrolment(enrolment, readEnrolments(folder), {
        folder,
        replace: options.replace === true,
      });
      if (!decision.allow) throw new CommandFailure("refused", decision.what, { fix: decision.fix });
      const print = fingerprint(enrolment.publicKey);
      terminal.say(
        `${`${zone}:`.padEnd(13)}${name}\n${`${offers}:`.padEnd(13)}${enrolment.servers.join(", ")}\nfingerprint: ${print}\n`,
      );
      await confirm(terminal, `Did the ${zone}'s owner read you this fingerprint?`, {
        yes: options.yes === true,
        signal: run.signal,
      });
      await writeEnrolment(decision.file, enrolment);
      const { file, change } = decision;
      if (options.json) {
        const { servers } = enrolment;
        outJson(terminal, { [zone]: name, [offers]: servers, fingerprint: print, file, change });
      } else terminal.out(`${changesOf(of)[change]}: ${file}\n`);
    });
}

const changesOf = ({ offers }: EnrolledZone) => ({
  new: "enrolled",
  key: "enrolled with another key than before",
  servers: `enrolled for other ${offers} than before`,
  none: "enrolled as before",
});

function enrolmentOf({ zone, offers }: EnrolledZone, name: string, options: Options): Enrolment {
  const servers = [...new Set((options[offers] ?? "").split(",").map((server) => server.trim()))].filter(
    Boolean,
  );
  const parsed = Enrolment.safeParse({ zone, connector: name, publicKey: publicKeyOf(options), servers });
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new CommandFailure("usage", `${issue?.path.join(".")}: ${issue?.message}`);
  }
  try {
    parsePublicKey(parsed.data.publicKey);
  } catch (cause) {
    if (!(cause instanceof SealError)) throw cause;
    const fix = `give the line that \`sallyport ${zone} keygen\` prints, whole: it starts with spk1.`;
    throw new CommandFailure("usage", `this is not a ${zone}'s public key`, { fix, cause });
  }
  return parsed.data;
}

function publicKeyOf({ publicKey, publicKeyFile }: Options): string {
  if ((publicKey === undefined) === (publicKeyFile === undefined)) {
    throw new CommandFailure("usage", "give one of --public-key and --public-key-file");
  }
  if (publicKey !== undefined) return publicKey;
  const file = publicKeyFile ?? "";
  try {
    if (statSync(file).size > 8192) throw new Error("too large for a key");
    return readFileSync(file, "utf8").trim();
  } catch (cause) {
    const why = (cause as NodeJS.ErrnoException).code ?? (cause as Error).message;
    throw new CommandFailure("usage", `${file} cannot be read (${why})`, {
      setting: "--public-key-file",
      cause,
    });
  }
}
