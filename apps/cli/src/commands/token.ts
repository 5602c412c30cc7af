import { ServerName } from "@sallyport/contracts";
import { SecretFile } from "@sallyport/runtime";
import type { Command } from "commander";
import { type CommandContext, type CommonOptions, command, outJson } from "../base-command.ts";
import { CommandFailure } from "../command-failure.ts";
import { loadCliConfig, needed } from "../config.ts";
import { endpointOf } from "../endpoint.ts";
import { requestToken } from "../issuer/request-token.ts";

interface Options extends CommonOptions {
  server: string;
  client?: string;
  clientSecretFile?: string;
}

export function tokenCommand(context: CommandContext): Command {
  const { terminal } = context;
  return command(context, {
    name: "token",
    summary: "get an access token for one server, as an agent would",
    more: "By client credentials, for one resource (RFC 8707). stdout is the token and nothing else.",
    examples: [
      "token --server orders",
      "token --server orders --client other-agent --client-secret-file other.secret",
      "token --server orders --json | jq -r .expiresAt",
    ],
  })
    .requiredOption("--server <name>", "the MCP server that the token opens")
    .option("--client <id>", "another client than issuer.clientId")
    .option("--client-secret-file <file>", "another secret than issuer.clientSecretFile")
    .action(async (options: Options) => {
      const config = loadCliConfig(options.config);
      const issuer = needed(config, "issuer");
      const edge = needed(config, "edge");
      const server = ServerName.safeParse(options.server);
      if (!server.success) throw new CommandFailure("usage", "--server is not the name of a server");
      const clientId = options.client ?? issuer.clientId;
      const clientSecret = options.clientSecretFile
        ? new SecretFile(options.clientSecretFile)
        : issuer.clientSecretFile;
      if (clientId === undefined || clientSecret === undefined) {
        throw new CommandFailure("config", "a token needs a client and its secret", {
          setting: "issuer.clientId, issuer.clientSecretFile",
          fix: `set both in ${config.file}, or give --client and --client-secret-file`,
        });
      }
      const resource = endpointOf(edge.url, server.data);
      const scope = `mcp:${server.data}`;
      const { token, expiresAt } = await requestToken({
        issuer: issuer.url,
        ...{ clientId, clientSecret, resource, scope },
        now: Date.now,
      });
      if (options.json) {
        outJson(terminal, { token, expiresAt: expiresAt?.toISOString(), resource, scope, client: clientId });
        return;
      }
      terminal.out(`${token}\n`);
      if (terminal.shown) terminal.say(`for ${resource} until ${expiresAt?.toISOString() ?? "(not said)"}\n`);
    });
}
