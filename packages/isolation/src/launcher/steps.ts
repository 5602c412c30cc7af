import { IsolationError } from "../isolation-error.ts";
import { requestBytes } from "./program.ts";

/** What a launcher does at once, by calls that cost little; on files of the driver's own alone. */
export type Step = Files | Mounting;

type Files =
  | { readonly do: "mkdir"; readonly path: string; readonly mode: number }
  /** To a user and the group of the same number. */
  | { readonly do: "chown"; readonly path: string; readonly uid: number }
  | { readonly do: "write"; readonly path: string; readonly text: string; readonly fine?: readonly string[] }
  /** Its beginning. What cannot be read is undefined. */
  | { readonly do: "read"; readonly path: string }
  /** An absent one is as good as removed. */
  | { readonly do: "rmdir"; readonly path: string };

type Mounting =
  /** On a new folder on which nothing is mounted; nosuid and nodev too. */
  | {
      readonly do: "mount";
      readonly place: string;
      readonly type: string;
      readonly options: readonly string[];
    }
  /** What is not mounted, or not there, is as good as unmounted. */
  | { readonly do: "unmount"; readonly place: string };

export interface Start {
  /** 16 characters. */
  readonly id: string;
  /** Undefined: the launcher's own. */
  readonly uid: number | undefined;
  /** Absolute path of bubblewrap. */
  readonly bwrap: string;
  /** File of the seccomp program. */
  readonly seccomp: string;
  /** What it has its arguments from. */
  readonly args: readonly string[];
  /** Files by which a process joins a group, in which bubblewrap is before it is anything else. */
  readonly groups: readonly string[];
  /** Processes and threads, where no group counts them. bubblewrap must have been told to wait for the word. */
  readonly pids: number | undefined;
}

/** mount(2) takes one page of options, and cuts off what is more of them without a word. */
const optionBytes = 4_095;

/** Pure. Name, errnos that are as good as done, arguments. */
export function fieldsOf(step: Step): readonly string[] {
  switch (step.do) {
    case "mkdir":
      return ["mkdir", "", step.path, String(step.mode)];
    case "chown":
      return ["chown", "", step.path, String(step.uid)];
    case "write":
      return ["write", (step.fine ?? []).join(" "), step.path, step.text];
    case "read":
      return ["read", "ENOENT EACCES EOPNOTSUPP", step.path];
    case "rmdir":
      return ["rmdir", "ENOENT", step.path];
    case "unmount":
      return ["unmount", "EINVAL ENOENT", step.place];
    case "mount": {
      const options = step.options.join(",");
      if (Buffer.byteLength(options) > optionBytes)
        throw new IsolationError("start", `mount ${step.type}: its options are longer than a page`);
      return ["mount", "", step.place, step.type, options];
    }
  }
}

/** Pure. What it is told stands last in a request. */
export function fieldsOfStart(start: Start, handover: string): readonly string[] {
  const { id, uid, pids, bwrap, seccomp, groups, args } = start;
  const head = [id, uid ?? "", pids ?? "", bwrap, seccomp, handover, groups.length].map(String);
  return ["start", "", ...head, ...groups, ...args];
}

/** Pure. Whether it can be done again when nobody knows if it was. */
export function repeatable(step: Step): boolean {
  return ["read", "rmdir", "unmount"].includes(step.do);
}

/** Pure. For a person: what was not done. */
export function wordsOf(step: Step): string {
  return step.do === "mount" ? `mount ${step.type}` : `${step.do} ${"path" in step ? step.path : step.place}`;
}

/** Pure: one request. Throws for what would be read as other fields. */
export function frame(fields: readonly string[]): Buffer {
  const text = Buffer.from(fields.join("\0"));
  if (fields.some((field) => field.includes("\0")) || text.length > requestBytes)
    throw new IsolationError("start", "a NUL in a path, or a path too long");
  const length = Buffer.alloc(4);
  length.writeUInt32BE(text.length);
  return Buffer.concat([length, text]);
}
