/**
 * What a process is: settings from a file, secrets as paths, resources that close in reverse order, one place with
 * signals, health on a socket, JSON logs, OpenTelemetry. A zone's `main.ts` is `runApp` and the list of what it opens.
 */
export { loadCommandConfig } from "./src/config/command-config.ts";
export { ConfigError, type ConfigProblem } from "./src/config/config-error.ts";
export { loadConfig } from "./src/config/load-config.ts";
export { appConfig, type ProcessSettings, processSettings } from "./src/config/process-settings.ts";
export { byteSize, duration, filePath, secureUrl } from "./src/config/setting-types.ts";
export { type CheckResult, Health } from "./src/health/health.ts";
export { BootError } from "./src/lifecycle/boot-error.ts";
export type { Resource } from "./src/lifecycle/resources.ts";
export { type App, runApp } from "./src/lifecycle/run-app.ts";
export { type CommandRun, runCommand } from "./src/lifecycle/run-command.ts";
export { createLog, type Log } from "./src/logs/logger.ts";
export { Secret } from "./src/secret/secret.ts";
export { SecretFile, secretFile } from "./src/secret/secret-file.ts";
export {
  type McpOperation,
  mcp,
  mcpAttributes,
  mcpDuration,
  mcpSpanName,
} from "./src/telemetry/conventions.ts";
export { startTelemetry, type Telemetry, type TelemetryOptions } from "./src/telemetry/start-telemetry.ts";
