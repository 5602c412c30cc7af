import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { isAbsolute, join } from "node:path";
import { IsolationError } from "../isolation-error.ts";
import type { Step } from "../launcher/steps.ts";
import { type Architecture, encodeProgram, seccompProgram } from "../seccomp/program.ts";
import { writeEtc } from "./etc.ts";

/** The folder of one driver: what its sandboxes share, and one folder for each of them. */
export interface State {
  readonly etc: string;
  readonly seccomp: string;
  /** For what starts sandboxes, alone. */
  readonly launcher: string;
  /** For the probe's own files. */
  readonly probe: string;
  /** Of one sandbox. */
  folder(id: string): string;
  ids(): Promise<readonly string[]>;
  /** Makes the folder of one sandbox, for others to pass through. */
  make(id: string): Step;
  /** Deletes what of one is left; nothing is mounted there any more. */
  remove(id: string): Promise<void>;
  removeAll(): Promise<void>;
}

export interface StateOptions {
  readonly root: string;
  readonly arch: Architecture;
}

/** Folders can be passed through by anybody, because sandboxes start under uids of their own, and listed by none. */
export async function openState({ root, arch }: StateOptions): Promise<State> {
  if (!isAbsolute(root)) throw new IsolationError("setup", `state: ${root} is not an absolute path`);
  const at = (name: string): string => join(root, name);
  const folder = (id: string): string => join(root, "sandboxes", id);
  for (const name of ["sandboxes", "probe"]) await mkdir(at(name), { recursive: true, mode: 0o711 });
  await writeEtc(at("etc"));
  await writeFile(at("seccomp.bpf"), encodeProgram(seccompProgram(arch)), { mode: 0o644 });
  return {
    etc: at("etc"),
    seccomp: at("seccomp.bpf"),
    launcher: at("launcher"),
    probe: at("probe"),
    folder,
    ids: () => readdir(at("sandboxes")),
    make: (id) => ({ do: "mkdir", path: folder(id), mode: 0o711 }),
    remove: (id) => rm(folder(id), { recursive: true, force: true }),
    removeAll: () => rm(root, { recursive: true, force: true }),
  };
}
