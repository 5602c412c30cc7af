import { type RoadFlags, roadFrom } from "@sallyport/infra-nats";
import type { Command } from "commander";
import { CommandFailure } from "../command-failure.ts";

/** How the relay is reached from where the command runs. */
export interface ProxyOptions {
  proxy?: string;
  proxyCredentials?: string;
}
export interface RelayOptions extends ProxyOptions {
  server?: string[];
}

export function relayOptions(command: Command): Command {
  return proxyOptions(
    command.option(
      "--server <url...>",
      "where the relay is reached from here (default: the installation's addresses)",
    ),
  );
}

export function proxyOptions(command: Command): Command {
  return command
    .option("--proxy <url>", "an HTTP proxy on the way to the relay, http://proxy:3128")
    .option("--proxy-credentials <file>", "user:password for it, in a file that nobody else can read");
}

export function roadOfOptions(options: RoadFlags) {
  try {
    return roadFrom(options);
  } catch (cause) {
    throw new CommandFailure("usage", (cause as Error).message, { setting: "--proxy", cause });
  }
}
