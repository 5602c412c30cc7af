import { InstanceName, type Zone, zones } from "@sallyport/contracts";
import { type Command, Option } from "commander";
import type { CommonOptions } from "../../base-command.ts";
import { CommandFailure } from "../../command-failure.ts";

/** Options of a command about one instance. */
export interface SiteOptions extends CommonOptions {
  site: string;
}

/** `<zone> --site <name>`. */
export function aboutSite(command: Command): Command {
  return command
    .argument("<zone>", `one of ${zones.join(", ")}`)
    .requiredOption("--site <name>", "the instance: what the zone is called in this installation");
}

export const installationOption = () =>
  new Option("--installation <folder>", "the operator's folder (default: the one you are in)");
export const tenantOption = () =>
  new Option("--tenant <name>", "whose; may be left out where only one has the site");

export function siteOf(zone: string, { site }: SiteOptions): { zone: Zone; instance: string } {
  const known = zones.find((one) => one === zone);
  if (known === undefined)
    throw new CommandFailure("usage", `there is no zone ${zone}: use one of ${zones.join(", ")}`);
  if (!InstanceName.safeParse(site).success) {
    const fix = "use 1 to 64 of A-Z a-z 0-9 _ -";
    throw new CommandFailure("usage", "this is no name of a site", { setting: "--site", fix });
  }
  return { zone: known, instance: site };
}
