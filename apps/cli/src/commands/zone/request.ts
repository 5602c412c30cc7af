import { join, resolve } from "node:path";
import { makeZoneKeys, requestFingerprint, ZoneFolderError, zoneFolder } from "@sallyport/installation";
import type { Command } from "commander";
import { type CommandContext, command, outJson } from "../../base-command.ts";
import { CommandFailure } from "../../command-failure.ts";
import { aboutSite, type SiteOptions, siteOf } from "./site.ts";

interface Options extends SiteOptions {
  out: string;
  renew?: boolean;
}

export function requestCommand(context: CommandContext): Command {
  const { terminal } = context;
  return aboutSite(
    command(context, {
      name: "request",
      summary: "make a zone's own keys, where it will run, and ask for its bundle",
      more:
        "The keys stay in the folder, for their owner alone (0600). request.json has their public halves: give it to the\n" +
        "operator, and read the fingerprint to them over another way.",
      examples: [
        "zone request connector --site paris --out paris/",
        "zone request connector --site paris --out paris/ --renew",
      ],
    }),
  )
    .requiredOption("--out <folder>", "the zone's folder; made when it is not there")
    .option("--renew", "new keys beside those in use: the bundle that answers puts them in their place")
    .action(async (zone: string, options: Options) => {
      const who = siteOf(zone, options);
      const folder = resolve(options.out);
      const renew = options.renew === true;
      const request = await makeZoneKeys(folder, who, { renew }).catch((cause: unknown) => {
        throw asFailure(cause);
      });
      const file = join(folder, zoneFolder.request);
      const fingerprint = requestFingerprint(request);
      if (options.json) outJson(terminal, { request: file, fingerprint, keys: request.keys });
      else terminal.out(`request:     ${file}\nfingerprint: ${fingerprint}\n`);
    });
}

function asFailure(cause: unknown): unknown {
  if (cause instanceof ZoneFolderError)
    return new CommandFailure("failed", cause.message, { setting: "--out", fix: cause.fix, cause });
  const { code } = cause as NodeJS.ErrnoException;
  if (code === undefined) return cause;
  const fix = "name a folder that you may write, without keys of another zone in it";
  return new CommandFailure("failed", `the keys cannot be written (${code})`, {
    setting: "--out",
    fix,
    cause,
  });
}
