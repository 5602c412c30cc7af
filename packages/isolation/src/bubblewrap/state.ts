import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { isAbsolute, join } from "node:path";
import { IsolationError } from "../isolation-error.ts";
import type { Mounts } from "../mounts/mounts.ts";
import { type Architecture, encodeProgram, seccompProgram } from "../seccomp/program.ts";
import { unmountWorkspace } from "./disk.ts";
import { writeEtc } from "./etc.ts";

/** The folder of one driver: what its sandboxes share, and one folder for each of them. */
export interface State {
  readonly etc: string;
  readonly seccomp: string;
  /** For the probe's own files. */
  readonly probe: string;
  /** Of one sandbox. */
  folder(id: string): string;
  ids(): Promise<readonly string[]>;
  /** Unmounts and deletes what one sandbox had. */
  remove(id: string): Promise<void>;
  removeAll(): Promise<void>;
}

export interface StateOptions {
  readonly root: string;
  readonly arch: Architecture;
  /** Where sandboxes have a file system of their own mounted in their folder. */
  readonly mounts: Mounts | undefined;
}

/** Folders can be passed through by anybody, because sandboxes start under uids of their own, and listed by none. */
export async function openState({ root, arch, mounts }: StateOptions): Promise<State> {
  if (!isAbsolute(root)) throw new IsolationError("setup", `state: ${root} is not an absolute path`);
  const at = (name: string): string => join(root, name);
  const folder = (id: string): string => join(root, "sandboxes", id);
  for (const name of ["sandboxes", "probe"]) await mkdir(at(name), { recursive: true, mode: 0o711 });
  await writeEtc(at("etc"));
  await writeFile(at("seccomp.bpf"), encodeProgram(seccompProgram(arch)), { mode: 0o644 });
  return {
    etc: at("etc"),
    seccomp: at("seccomp.bpf"),
    probe: at("probe"),
    folder,
    ids: () => readdir(at("sandboxes")),
    async remove(id) {
      if (mounts) await unmountWorkspace(folder(id), mounts);
      await rm(folder(id), { recursive: true, force: true });
    },
    removeAll: () => rm(root, { recursive: true, force: true }),
  };
}
