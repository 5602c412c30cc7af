import { resolve } from "node:path";
import type { CommonOptions } from "../base-command.ts";
import { loadCliConfig, needed } from "../config.ts";

export interface EnrolmentOptions extends CommonOptions {
  enrolments?: string;
}

/** `--enrolments`, else the setting. With the option no settings are needed. */
export function enrolmentFolder(options: EnrolmentOptions): string {
  return options.enrolments === undefined
    ? needed(loadCliConfig(options.config), "enrolments")
    : resolve(options.enrolments);
}
