import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { replaceFile } from "@sallyport/installation";
import { type Enrolment, fingerprint, readEnrolment } from "@sallyport/seal";
import { z } from "zod";
import { CommandFailure } from "../command-failure.ts";

export type EnrolmentFile = { file: string } & ({ enrolment: Enrolment } | { problem: string });

const maxFileBytes = 64 * 1024;

/** Every file of the folder that an edge would read. A file that enrols nobody says why. */
export function readEnrolments(folder: string): EnrolmentFile[] {
  const names = filesIn(folder);
  return names.map((name): EnrolmentFile => {
    const file = join(folder, name);
    try {
      if (statSync(file).size > maxFileBytes) throw new Error(`larger than ${maxFileBytes} bytes`);
      return { file, enrolment: readEnrolment(file) };
    } catch (error) {
      return { file, problem: problemOf(error) };
    }
  });
}

function problemOf(error: unknown): string {
  if (error instanceof z.ZodError) {
    const issue = error.issues[0];
    return `${issue?.path.join(".") ?? ""}: ${issue?.message ?? "not an enrolment"}`;
  }
  return error instanceof Error ? error.message : String(error);
}

function filesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => name.endsWith(".json"))
      .sort();
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code ?? "unknown";
    throw new CommandFailure("config", `the folder of enrolments cannot be read (${code}): ${folder}`, {
      setting: "enrolments",
      fix: "name the folder that edge and broker have as `enrolments`",
      cause,
    });
  }
}

/** Edge and broker, which read it, run as users of their own. */
export async function writeEnrolment(file: string, enrolment: Enrolment): Promise<void> {
  await replaceFile(file, `${JSON.stringify(enrolment, null, 2)}\n`, 0o644);
}

export type EnrolDecision =
  | { allow: true; file: string; change: "new" | "servers" | "key" | "none" }
  | { allow: false; what: string; fix: string };

/** Pure: may this be enrolled beside what is there? A key is replaced only when that was said. */
export function decideEnrolment(
  wanted: Enrolment,
  known: readonly EnrolmentFile[],
  options: { folder: string; replace: boolean },
): EnrolDecision {
  const file = join(options.folder, `${wanted.connector}.json`);
  const others = known.filter((one) => one.file !== file);
  for (const one of others) {
    if (!("enrolment" in one)) continue;
    if (one.enrolment.connector === wanted.connector) {
      const what = `${one.file} enrols ${wanted.connector} already, under another file name`;
      return {
        allow: false,
        what,
        fix: `remove that file first: a ${wanted.zone} that is enrolled twice is refused`,
      };
    }
    // Two instances with one key could each open what is sealed to the other.
    if (one.enrolment.publicKey === wanted.publicKey) {
      const what = `this is the key of ${one.enrolment.connector}`;
      return {
        allow: false,
        what,
        fix: `make a key for each ${wanted.zone}: sallyport ${wanted.zone} keygen`,
      };
    }
  }
  const there = known.find((one) => one.file === file);
  if (there === undefined) return { allow: true, file, change: "new" };
  if ("enrolment" in there && there.enrolment.zone !== wanted.zone) {
    const { zone } = there.enrolment;
    const what = `${wanted.connector} is enrolled already, as a ${zone}`;
    return {
      allow: false,
      what,
      fix: `choose another name, or: sallyport ${zone} remove ${wanted.connector}`,
    };
  }
  const sameKey = "enrolment" in there && there.enrolment.publicKey === wanted.publicKey;
  if (!sameKey && !options.replace) {
    const key =
      "enrolment" in there ? `with the key ${fingerprint(there.enrolment.publicKey)}` : "in a damaged file";
    return {
      allow: false,
      what: `${wanted.connector} is enrolled already, ${key}`,
      fix: "if its key was really changed, say --replace",
    };
  }
  if (!sameKey) return { allow: true, file, change: "key" };
  const sameServers = [...there.enrolment.servers].sort().join() === [...wanted.servers].sort().join();
  return { allow: true, file, change: sameServers ? "none" : "servers" };
}
