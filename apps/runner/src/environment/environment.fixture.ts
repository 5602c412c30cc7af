import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Duplex } from "node:stream";
import { type AuditFields, AuditRecord, recorder } from "@sallyport/audit";
import { toolGate } from "@sallyport/gate";
import { compilePolicies } from "@sallyport/policy";
import { SecretFile } from "@sallyport/runtime";
import { buildAgent, PersistentShell, SandboxClient, SandboxFiles } from "@sallyport/sandbox-agent";
import { compileScrub, type ScrubSecret } from "@sallyport/scrub";
import { startWorkApi, type WorkApiOptions } from "@sallyport/testkit";
import { sandboxTools } from "../tools/tool.ts";
import { type Environment, serveEnvironment } from "./serve-environment.ts";
import type { SessionSandbox } from "./session-sandbox.ts";

const cacheFolder = join(import.meta.dirname, "../../../../.cache/sandbox-agent");

const mayDoAll = `@id("all") permit(principal, action == Action::"sandbox/exec", resource);`;

export interface WorldOptions extends WorkApiOptions {
  policy?: string;
  secrets?: ScrubSecret[];
  maxIdle?: number;
  sessions?: number;
  drain?: number;
  toolTime?: number;
  /** The log takes nothing. */
  auditFails?: boolean;
  noSandbox?: boolean;
  keyMode?: number;
  baseUrl?: string;
}

/** An environment of the contract, and a runner's part that serves it with real agents in folders of their own. */
export async function startWorld(options: WorldOptions = {}) {
  const api = await startWorkApi(options);
  const folder = await mkdtemp(join(tmpdir(), "environment-"));
  const keyFile = join(folder, "key");
  await writeFile(keyFile, `${api.key}\n`, { mode: 0o600 });
  await chmod(keyFile, options.keyMode ?? 0o600);
  const records: AuditRecord[] = [];
  const logged: string[] = [];
  const sandboxes: { process: ChildProcess; closed: boolean; folder: string }[] = [];
  const record = recorder({ zone: "runner", instance: "r1" });
  const append = async (fields: AuditFields) => {
    if (options.auditFails) throw new Error("the log is full");
    records.push(AuditRecord.parse(record(fields)));
  };
  const log = {
    info: (fields: object, message: string) => void logged.push(`${message} ${JSON.stringify(fields)}`),
    warn: (fields: object, message: string) => {
      const { err } = fields as { err?: unknown };
      logged.push(`${message} ${JSON.stringify(fields)} ${String(err ?? "")}`);
    },
  };
  const gate = toolGate({
    tenant: "t",
    policies: compilePolicies([{ name: "test.cedar", text: options.policy ?? mayDoAll }]),
    audit: { append, appendLater: append },
    scrubber: () => compileScrub(options.secrets ?? []),
    log,
  });
  const open = async (): Promise<SessionSandbox> => {
    if (options.noSandbox) throw new Error("no sandbox can be made");
    const work = await mkdtemp(join(folder, "workspace-"));
    const child = spawn(await buildAgent({ cacheFolder }), [], {
      cwd: work,
      env: {},
      stdio: ["ignore", "ignore", "inherit", "pipe"],
    });
    const gone = once(child, "exit");
    const client = new SandboxClient(child.stdio[3] as Duplex);
    const files = new SandboxFiles(client, { cwd: work });
    const env = { PATH: "/usr/bin:/bin", HOME: work };
    const shell = new PersistentShell(client, files, { cwd: work, env, spillFolder: work });
    const sandbox = { process: child, closed: false, folder: work };
    sandboxes.push(sandbox);
    return {
      bench: async () => {
        if (child.exitCode !== null || child.signalCode !== null) throw new Error("the sandbox is gone");
        return { shell, files };
      },
      close: async () => {
        sandbox.closed = true;
        client.close();
        await gone;
      },
    };
  };
  const opened: Environment[] = [];
  return {
    api,
    records,
    logged,
    sandboxes,
    keyFile,
    /** Our runner's part; several are several runners. */
    serve: async (): Promise<Environment> => {
      const environment = await serveEnvironment({
        settings: {
          environment: api.environment,
          baseUrl: options.baseUrl ?? api.url,
          keyFile: new SecretFile(keyFile),
          pool: "default",
          sessions: options.sessions ?? 2,
          maxIdle: options.maxIdle ?? 200,
          toolTime: options.toolTime ?? 20_000,
          drain: options.drain ?? 5_000,
        },
        worker: `runner-${opened.length}`,
        version: "0.1.0",
        tools: sandboxTools,
        gate,
        sandboxes: { open },
        log,
      });
      opened.push(environment);
      return environment;
    },
    stop: async () => {
      await Promise.all(opened.map((environment) => environment.close()));
      await api.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export type World = Awaited<ReturnType<typeof startWorld>>;

export function textOf(event: { [field: string]: unknown } | undefined): string | undefined {
  const content = event?.content as { text?: string }[] | undefined;
  return content?.map(({ text }) => text ?? "").join("");
}
