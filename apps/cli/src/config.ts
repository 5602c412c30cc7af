import { join } from "node:path";
import { InstanceName } from "@sallyport/contracts";
import { filePath, loadCommandConfig, secretFile, secureUrl } from "@sallyport/runtime";
import { natsSettings } from "@sallyport/zone";
import { z } from "zod";
import { CommandFailure } from "./command-failure.ts";

const ServerUrl = secureUrl("tokens");

/** Settings of an operator's command line. Each command says which parts it needs. Secrets are paths of files. */
const cliConfig = z.strictObject({
  nats: natsSettings
    .safeExtend({
      /** Which operator this is, as the creds say: `operator/NAME`. */
      instance: InstanceName,
    })
    .optional(),
  edge: z
    .strictObject({
      /** What agents call, without a path: the edge's `publicUrl`. */
      url: ServerUrl.transform((text) => new URL(text).origin),
    })
    .optional(),
  issuer: z
    .strictObject({
      /** The issuer identifier, exactly as in its metadata. */
      url: ServerUrl,
      clientId: z.string().min(1).max(200).optional(),
      clientSecretFile: secretFile().optional(),
    })
    .optional(),
  /** The folder of enrolments that edge and broker read. */
  enrolments: filePath().optional(),
  /** Zones' configuration files that `doctor` checks. */
  zoneConfigs: z.array(filePath()).max(64).default([]),
});
export type CliConfig = z.output<typeof cliConfig>;

const checkout = join(import.meta.dirname, "../../..");

/** `./sallyport.yaml`, else the running local stack of this checkout. */
const places = ["sallyport.yaml", join(checkout, ".state/dev/cli.yaml")];

export interface LoadedConfig {
  settings: CliConfig;
  file: string;
}

export function loadCliConfig(file: string | undefined): LoadedConfig {
  return loadCommandConfig(cliConfig, { file, places });
}

/** A part of the settings that this command cannot do without. */
export function needed<K extends "nats" | "edge" | "issuer" | "enrolments">(
  { settings, file }: LoadedConfig,
  part: K,
): NonNullable<CliConfig[K]> {
  const found = settings[part];
  if (found !== undefined) return found;
  throw new CommandFailure("config", `this command needs the setting ${part}`, {
    setting: part,
    fix: `add ${examples[part]} to ${file}`,
  });
}

const examples = {
  nats: "`nats: { servers: [tls://…], creds: FILE, instance: NAME }`",
  edge: "`edge: { url: https://… }`",
  issuer: "`issuer: { url: https://…, clientId: …, clientSecretFile: FILE }`",
  enrolments: "`enrolments: FOLDER`",
};
