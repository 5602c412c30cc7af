import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Bus, connectBus } from "@sallyport/bus";
import type { ZoneInstance } from "@sallyport/contracts";
import { createTrust, issueUser, provisionStreams, serverConfig } from "@sallyport/infra-nats";
import type { CommandRun } from "@sallyport/runtime";
import { startNats } from "@sallyport/testkit";
import { stringify } from "yaml";
import { explainFailure } from "./explain-failure.ts";
import { runProgram } from "./program.ts";
import type { Terminal } from "./terminal.ts";

const main = join(import.meta.dirname, "../main.ts");
const quiet = { info: () => {}, warn: () => {}, error: () => {} };

export interface Result {
  code: number | null;
  out: string;
  err: string;
}

export interface RunOptions {
  env?: Record<string, string>;
  cwd?: string;
  input?: string;
  /** 25,000 unless told. */
  timeoutMs?: number;
  /** Sees the output so far; may send a signal. */
  watch?(seen: { out: string; kill(signal: NodeJS.Signals): void }): void;
}

/** The real program as a process of its own, with no environment but what is given. */
export function sallyport(args: readonly string[], options: RunOptions = {}): Promise<Result> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, ["--disable-warning=ExperimentalWarning", main, ...args], {
      env: options.env ?? {},
      cwd: options.cwd ?? tmpdir(),
      timeout: options.timeoutMs ?? 25_000,
    });
    const seen = { out: "", err: "" };
    child.stdout.on("data", (chunk: Buffer) => {
      seen.out += chunk.toString();
      options.watch?.({ out: seen.out, kill: (signal) => child.kill(signal) });
    });
    child.stderr.on("data", (chunk: Buffer) => {
      seen.err += chunk.toString();
    });
    child.on("error", reject);
    child.on("close", (code) => resolve({ code, ...seen }));
    child.stdin.on("error", () => {});
    child.stdin.end(options.input ?? "");
  });
}

/** The program in this process: for what takes many commands, and none of them a signal or an environment. */
export async function runHere(args: readonly string[]): Promise<Result> {
  const seen = { out: "", err: "" };
  const terminal: Terminal = {
    out: (text) => {
      seen.out += text;
    },
    say: (text) => {
      seen.err += text;
    },
    ...{ color: false, width: 120, shown: false, interactive: false },
    ...{ input: process.stdin, talk: process.stderr },
  };
  await using opened = new AsyncDisposableStack();
  const run: CommandRun = {
    signal: new AbortController().signal,
    use: (resource) => {
      if ("close" in resource)
        opened.defer(async () => {
          await resource.close();
        });
      else opened.use(resource);
      return resource;
    },
  };
  try {
    return { code: await runProgram(args, { terminal, run }), ...seen };
  } catch (error) {
    const { exitCode, text } = explainFailure(error, { json: args.includes("--json") });
    return { code: exitCode, out: seen.out, err: seen.err + text };
  }
}

export interface Relay {
  folder: string;
  url: string;
  /** A file in the folder, 0600. */
  write(name: string, text: string | Uint8Array): string;
  /** `nats:` of the command line's settings, for the operator `ops`. */
  operator: { servers: string[]; creds: string; instance: string };
  /** A connection of a zone, with that zone's own creds. */
  bus(who: ZoneInstance): Promise<Bus>;
  /** A settings file; `nats` is in it. */
  config(settings?: object): string;
  stop(): Promise<void>;
}

/** A NATS server in operator mode with all streams, and the users that the contracts make. */
export async function startRelay(): Promise<Relay> {
  const folder = mkdtempSync(join(tmpdir(), "sallyport-cli-"));
  const trust = await createTrust({ name: "test" });
  const jetstream = { dir: join(folder, "jetstream"), syncAlways: false, maxBytes: 64 * 1024 ** 2 };
  const nats = await startNats({ jetstream: false, config: serverConfig(trust, { jetstream }) });
  await provisionStreams({
    servers: [nats.url],
    creds: await issueUser(trust, "provisioner"),
    maxBytes: { log: 16 * 1024 ** 2, bucket: 1024 ** 2 },
  });
  const buses: Bus[] = [];
  const write = (name: string, text: string | Uint8Array) => {
    const path = join(folder, name);
    writeFileSync(path, text, { mode: 0o600 });
    return path;
  };
  const credsOf = async (who: ZoneInstance) =>
    write(`${who.zone}-${who.instance}.creds`, await issueUser(trust, who));
  const operator = {
    servers: [nats.url],
    creds: await credsOf({ zone: "operator", instance: "ops" }),
    instance: "ops",
  };
  return {
    folder,
    url: nats.url,
    write,
    operator,
    bus: async (who) => {
      const creds = await credsOf(who);
      const bus = await connectBus({ servers: [nats.url], who, credentials: { creds }, log: quiet });
      buses.push(bus);
      return bus;
    },
    config: (settings = {}) => write("cli.yaml", stringify({ nats: operator, ...settings })),
    stop: async () => {
      for (const bus of buses.splice(0)) await bus.close();
      await nats.stop();
      rmSync(folder, { recursive: true });
    },
  };
}
