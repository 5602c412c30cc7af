import { chmod, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import type { Capabilities, Check, Protects } from "../capabilities.ts";
import type { Sandbox, SandboxSpec, Usage } from "../driver.ts";
import { IsolationError } from "../isolation-error.ts";
import { ask } from "./ask.ts";
import {
  type Attack,
  baseAttack,
  egressAttack,
  inodeAttack,
  isolationAttacks,
  limitAttacks,
  probeSizes,
  processorAttack,
  spaceAttacks,
} from "./attacks.ts";
import { insideAgent } from "./inside.ts";

export interface ProbeOptions {
  readonly driver: string;
  readonly class: Capabilities["class"];
  /** For the probe's own files: others can pass through it. */
  readonly folder: string;
  /** Starts without asking what was proven. */
  readonly start: (spec: SandboxSpec) => Promise<Sandbox>;
}

const mebibyte = 1_048_576;
const below = "as it was";

/**
 * Makes the attacks inside sandboxes of the class: one with an empty workspace, one with little processor time, one with a
 * base folder.
 */
export async function probe(options: ProbeOptions): Promise<Capabilities> {
  const { folder, class: judged } = options;
  await rm(folder, { recursive: true, force: true });
  await mkdir(join(folder, "base"), { recursive: true });
  await chmod(folder, 0o711);
  await writeFile(join(folder, "agent"), insideAgent, { mode: 0o755 });
  await writeFile(join(folder, "base/below"), below, { mode: 0o666 });
  await chmod(join(folder, "base/below"), 0o666);
  const door = await listen(join(folder, "door"));
  try {
    const mounted = judged.workspace === "mounted";
    const limits = limitAttacks.filter(({ protects }) => !unlimited(judged).includes(protects));
    const space = mounted ? [...spaceAttacks, inodeAttack] : spaceAttacks;
    const attacks = [...isolationAttacks, egressAttack, ...space, ...limits];
    const checks = await attempt(options, attacks);
    if (!unlimited(judged).includes("limits.cpus"))
      checks.push(...(await attempt(options, [processorAttack], { cpus: probeSizes.cpus })));
    if (mounted)
      checks.push(
        ...(await attempt(options, [baseAttack], { base: join(folder, "base") })).map(
          await unchanged(folder),
        ),
      );
    return { driver: options.driver, class: judged, checks: [...checks, ...lacking(judged)] };
  } finally {
    await new Promise((resolve) => door.close(resolve));
  }
}

interface Special {
  readonly base?: string;
  readonly cpus?: number;
}

async function attempt(
  options: ProbeOptions,
  attacks: readonly Attack[],
  special: Special = {},
): Promise<Check[]> {
  let sandbox: Sandbox;
  try {
    sandbox = await options.start(probeSpec(options, special));
  } catch (cause) {
    const why = cause instanceof IsolationError ? cause.reason : String(cause);
    return attacks.map((each) => judge(each, `no sandbox: ${why}`));
  }
  const checks: Check[] = [];
  let used: Usage;
  try {
    for (const each of attacks) checks.push(judge(each, await answer(sandbox, each)));
  } finally {
    used = await sandbox.destroy();
  }
  return checks.map((check) => causedByQuota(check, used));
}

/** On a busy host a sandbox gets little processor time without any quota: only the kernel knows that it was cut short. */
function causedByQuota(check: Check, { throttledPeriods = 0 }: Usage): Check {
  if (check.protects !== "limits.cpus" || throttledPeriods > 0) return check;
  return { ...check, proven: false, seen: `${check.seen}, but no quota was ever reached` };
}

async function answer({ socket }: Sandbox, { code }: Attack): Promise<string> {
  return await ask(socket, code).catch((cause: Error) => `no answer: ${cause.message}`);
}

function judge({ check, protects, expected, why }: Attack, seen: string): Check {
  return {
    check,
    protects,
    expected: expected.map((each) => each || "nothing").join(" or "),
    seen: seen.slice(0, 500) || "nothing",
    proven: expected.includes(seen),
    why,
  };
}

/** What came out inside counts only if the folder outside is as it was. */
async function unchanged(folder: string): Promise<(check: Check) => Check> {
  const outside = await readFile(join(folder, "base/below"), "utf8");
  return (check) =>
    outside === below ? check : { ...check, proven: false, seen: `outside: ${outside.slice(0, 100)}` };
}

/** The limits that a class has no means for. */
function unlimited({ limits }: Capabilities["class"]): readonly Protects[] {
  if (limits === "none") return ["limits.memoryBytes", "limits.pids", "limits.cpus"];
  return limits === "prlimit" ? ["limits.memoryBytes", "limits.cpus"] : [];
}

/** What the class does not even try, for whoever reads the list. */
function lacking(judged: Capabilities["class"]): readonly Check[] {
  const lack = (protects: Protects, expected: string, why: string): Check => ({
    check: `set ${protects}`,
    protects,
    expected,
    seen: "not available",
    proven: false,
    why,
  });
  const cgroup = "The runner can make no cgroup: run it as root, or delegate one to it.";
  const mount = "The runner can mount nothing: run it as root.";
  return [
    ...unlimited(judged).map((each) => lack(each, "a cgroup", cgroup)),
    ...(judged.workspace === "tmpfs"
      ? (["workspace.inodes", "workspace.base"] as const).map((each) =>
          lack(each, "a mounted workspace", mount),
        )
      : []),
  ];
}

function probeSpec(
  { folder, class: { limits, workspace } }: ProbeOptions,
  { base, cpus }: Special,
): SandboxSpec {
  const { workspaceMiB, inodes, temporaryMiB, memoryMiB, pids } = probeSizes;
  return {
    agent: { file: join(folder, "agent") },
    workspace: {
      bytes: workspaceMiB * mebibyte,
      ...(workspace === "mounted" ? { inodes } : {}),
      ...(base === undefined ? {} : { base }),
    },
    temporaryBytes: temporaryMiB * mebibyte,
    limits: {
      ...(limits === "none" ? {} : { pids }),
      ...(limits === "none" || limits === "prlimit" ? {} : { memoryBytes: memoryMiB * mebibyte }),
      ...(cpus === undefined ? {} : { cpus }),
    },
    egress: { socket: join(folder, "door") },
  };
}

async function listen(path: string): Promise<Server> {
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.end("the door");
  });
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(path, resolve));
  return server;
}
