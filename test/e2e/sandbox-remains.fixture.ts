import { createHash } from "node:crypto";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { Stack } from "@sallyport/infra-local";
import { parse } from "yaml";

/** What a runner's sandboxes hold of this machine. */
export interface Held {
  /** Host pids of the processes under their uids; the dead that nobody has asked about are not among them. */
  processes: number[];
  mounts: string[];
  cgroups: string[];
  /** Of sandboxes, and of their doors. */
  folders: string[];
}

interface Place {
  state: string;
  uids: { first: number; count: number };
}

export function placeOf(stack: Stack, runner = "runner-1"): Place {
  const file = stack.zones.get(`runner-${runner}`)?.configFile ?? "";
  return parse(readFileSync(file, "utf8")) as Place;
}

export function heldBy(stack: Stack, runner = "runner-1"): Held {
  const { state, uids } = placeOf(stack, runner);
  const mounts = readFileSync("/proc/self/mounts", "utf8").split("\n");
  return {
    processes: processesOf(uids),
    mounts: mounts.filter((line) => line.includes(`${state}/`)),
    cgroups: cgroupsOf(state),
    folders: [...namesIn(join(state, "sandboxes/sandboxes")), ...namesIn(join(state, "doors"))],
  };
}

export const nothing: Held = { processes: [], mounts: [], cgroups: [], folders: [] };

/** What is held now and was not before. */
export function without(now: Held, before: Held): Held {
  return {
    processes: now.processes.filter((one) => !before.processes.includes(one)),
    mounts: now.mounts.filter((one) => !before.mounts.includes(one)),
    cgroups: now.cgroups.filter((one) => !before.cgroups.includes(one)),
    folders: now.folders.filter((one) => !before.folders.includes(one)),
  };
}

/** How much of this is still held. */
export function overlap(now: Held, of: Held): number {
  const [was, is] = [of, without(of, now)].map((held) => Object.values(held).flat().length);
  return (was ?? 0) - (is ?? 0);
}

function processesOf({ first, count }: Place["uids"]): number[] {
  return namesIn("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => {
      const uid = statSync(`/proc/${pid}`, { throwIfNoEntry: false })?.uid ?? -1;
      return uid >= first && uid < first + count && lives(pid);
    });
}

function lives(pid: number): boolean {
  return /\) [^ZX] /.test(textOf(`/proc/${pid}/stat`));
}

/** Its arguments, each followed by NUL. */
export function commandLineOf(pid: number): string {
  return textOf(`/proc/${pid}/cmdline`);
}

/** The agent in a sandbox is its second process. */
export function agentAmong(pids: readonly number[]): number {
  const agent = pids.find((pid) => /^NSpid:\s.*\t2$/m.test(textOf(`/proc/${pid}/status`)));
  if (agent === undefined) throw new Error("no sandbox's agent runs");
  return agent;
}

/** Runners name their groups by the folder that they have. */
function cgroupsOf(state: string): string[] {
  const suffix = `-${createHash("sha256").update(state).digest("hex").slice(0, 8)}`;
  const found: string[] = [];
  const look = (folder: string, depth: number) => {
    for (const name of namesIn(folder)) {
      const path = join(folder, name);
      if (!statSync(path, { throwIfNoEntry: false })?.isDirectory()) continue;
      if (name.startsWith("sallyport-") && name.endsWith(suffix))
        found.push(...namesIn(path).filter((id) => /^[0-9a-f]{16}$/.test(id)));
      else if (depth > 0) look(path, depth - 1);
    }
  };
  for (const controller of ["memory", "pids", "cpu"]) look(join("/sys/fs/cgroup", controller), 3);
  return found;
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function textOf(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}
