import type { z } from "zod";
import manifest from "../../package.json" with { type: "json" };
import { loadConfig } from "../config/load-config.ts";
import type { ProcessSettings } from "../config/process-settings.ts";
import { Health } from "../health/health.ts";
import { serveHealth } from "../health/health-server.ts";
import { createLog, type Log } from "../logs/logger.ts";
import { type ProcessArguments, readArguments, UsageError, usage } from "./arguments.ts";
import { BootError } from "./boot-error.ts";
import { type Resource, Resources } from "./resources.ts";

export interface App {
  readonly zone: string;
  readonly version: string;
  /** Before `config` it writes at level info under the zone's name alone. */
  readonly log: Log;
  readonly health: Health;
  /** Aborts when the process begins to stop: take no new work. Work in hand is finished by each resource's `close`. */
  readonly signal: AbortSignal;
  /** Reads and checks the settings of `--config`, then sets the log's level and opens the health endpoint. */
  config<S extends z.ZodType<ProcessSettings>>(schema: S): Promise<z.output<S>>;
  /** Keeps a resource until the stop; resources close in reverse order. Returns it. */
  use<R extends Resource>(resource: R, name?: string): R;
  /** Work in hand may need so long to end: the orderly stop may take that much longer. Milliseconds. */
  addGrace(milliseconds: number): void;
  /** Begins the orderly stop. With an error the process has failed: it is logged and the exit code is 1. */
  stop(failure?: Error): void;
}

export interface RunOptions {
  /** How long an orderly stop may take. */
  graceMs?: number;
}

const exitCodes = { ok: 0, failed: 1, software: 70, interrupted: 130 } as const;

/** `--check` was asked and the settings are good: the boot goes no further. */
class Checked extends Error {}

/**
 * Runs one process: reads its arguments, boots it, keeps it until a signal, and closes what it opened. This is the only
 * place with signal handlers and `process.exit`. `boot` opens everything and returns; what it gave to `app.use` lives on.
 */
export async function runApp(
  zone: string,
  boot: (app: App) => Promise<void>,
  options: RunOptions = {},
): Promise<void> {
  let args: ProcessArguments;
  try {
    args = readArguments(process.argv.slice(2));
  } catch (error) {
    return end(printFailure(zone, error));
  }
  if (args.help) return print(usage(zone));
  if (args.version) return print(`${manifest.version}\n`);

  const life = new Life(zone, args, options.graceMs ?? 10_000);
  process.on("SIGTERM", () => life.onSignal("SIGTERM"));
  process.on("SIGINT", () => life.onSignal("SIGINT"));
  process.on("uncaughtException", (error) => life.onFault(error, "uncaughtException"));
  process.on("unhandledRejection", (error) => life.onFault(error, "unhandledRejection"));
  await life.boot(boot);
}

class Life implements App {
  readonly zone: string;
  readonly version: string = manifest.version;
  readonly health = new Health();
  log: Log;
  readonly #args: ProcessArguments;
  #graceMs: number;
  readonly #resources = new Resources();
  readonly #stopping = new AbortController();
  /** Keeps the event loop alive between boot and stop, whatever the resources do. */
  readonly #anchor = setInterval(() => {}, 2 ** 30);
  #booted = false;
  #exitCode: number = exitCodes.ok;

  constructor(zone: string, args: ProcessArguments, graceMs: number) {
    this.zone = zone;
    this.#args = args;
    this.#graceMs = graceMs;
    this.log = createLog({ zone, level: "info" });
    this.health.check("process", () => {
      if (this.signal.aborted) return { problem: "stopping" };
      return this.#booted ? "ok" : { problem: "starting" };
    });
  }

  get signal(): AbortSignal {
    return this.#stopping.signal;
  }

  async boot(main: (app: App) => Promise<void>): Promise<void> {
    try {
      await main(this);
      this.#booted = true;
      if (!this.signal.aborted) this.log.info("ready");
    } catch (error) {
      // A boot that a signal interrupted fails because of the stop: that is no failure.
      if (this.signal.aborted) return;
      const code = error instanceof Checked ? exitCodes.ok : printFailure(this.zone, error);
      await this.#stop(code);
    }
  }

  async config<S extends z.ZodType<ProcessSettings>>(schema: S): Promise<z.output<S>> {
    if (this.#args.config === undefined) {
      throw new UsageError("no configuration was given", {
        setting: "--config",
        fix: "start with --config FILE",
      });
    }
    const config = loadConfig(schema, { file: this.#args.config });
    if (this.#args.check) {
      process.stdout.write(`${this.#args.config}: ok\n`);
      throw new Checked();
    }
    this.log = createLog({ zone: this.zone, instance: config.instance, level: config.log.level });
    if (config.health !== undefined) {
      const who = { zone: this.zone, instance: config.instance };
      this.use(await serveHealth(this.health, config.health, who), "health");
    }
    return config;
  }

  use<R extends Resource>(resource: R, name = resource.constructor.name): R {
    this.#resources.add(resource, name);
    // Opened after the stop began: whoever awaited it must not go on, and the stop has to close it too.
    if (this.signal.aborted) throw new Error(`${name} was opened while stopping`);
    return resource;
  }

  addGrace(milliseconds: number): void {
    this.#graceMs += milliseconds;
  }

  stop(failure?: Error): void {
    if (failure !== undefined) this.log.fatal({ err: failure }, "stopping after a failure");
    void this.#stop(failure === undefined ? exitCodes.ok : exitCodes.failed);
  }

  onSignal(signal: NodeJS.Signals): void {
    if (this.signal.aborted) end(exitCodes.interrupted);
    this.log.info({ signal }, "stopping");
    void this.#stop(exitCodes.ok);
  }

  onFault(error: unknown, kind: string): void {
    this.log.fatal({ err: error }, kind);
    void this.#stop(exitCodes.software);
  }

  /** Once: intake ends, resources close in reverse, the grace timer bounds the rest. The first failure's code stays. */
  async #stop(code: number): Promise<void> {
    this.#exitCode ||= code;
    if (this.signal.aborted) return;
    setTimeout(() => {
      this.log.error({ open: this.#resources.names }, "not closed in the time given; ending anyway");
      end(this.#exitCode || exitCodes.failed);
    }, this.#graceMs);
    this.#stopping.abort(new Error("the process is stopping"));
    for (const { name, error } of await this.#resources.close()) {
      this.#exitCode ||= exitCodes.failed;
      this.log.error({ err: error, resource: name }, "could not be closed in order");
    }
    clearInterval(this.#anchor);
    if (this.#booted) this.log.info("stopped");
    end(this.#exitCode);
  }
}

/** An expected failure in a few lines that say what to do; anything else with its stack. Returns the exit code. */
function printFailure(zone: string, error: unknown): number {
  const expected = error instanceof BootError;
  const text = expected ? error.describe() : ((error as Error | undefined)?.stack ?? String(error));
  process.stderr.write(`sallyport-${zone}: ${text.replaceAll("\n", "\n  ")}\n`);
  return expected ? error.exitCode : exitCodes.failed;
}

function print(text: string): void {
  process.stdout.write(text);
}

function end(code: number): never {
  process.exit(code);
}
