import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { InstanceName, ServerName } from "@sallyport/contracts";
import { z } from "zod";
import { parsePublicKey } from "./keys.ts";

/** A connector, or a runner, as an operator enrolled it: the key that is sealed to, and what it may answer for. */
export const Enrolment = z.strictObject({
  zone: z.enum(["connector", "runner"]).default("connector"),
  connector: InstanceName,
  publicKey: z.string().max(4096),
  servers: z.array(ServerName).min(1).max(256),
});
export type Enrolment = z.output<typeof Enrolment>;

export interface Enrolments {
  get(connector: string): Enrolment | undefined;
  /** Those of one zone alone. */
  of(zone: Enrolment["zone"]): Pick<Enrolments, "get" | "knows">;
  /** Whether any enrolled connector may answer for this server. */
  knows(server: string): boolean;
  /** Who is enrolled. */
  names(): readonly string[];
  /** Reads the folder again if it has changed. Returns what is wrong, file by file; a bad file enrols nobody. */
  reload(): string[];
}

/** A folder of `*.json` files, one for each connector, that only an operator can write: edge and broker believe no other. */
export function openEnrolments(folder: string): Enrolments {
  let known = new Map<string, Enrolment>();
  let seen = "";
  const any = (fits: (one: Enrolment) => boolean): Pick<Enrolments, "get" | "knows"> => ({
    get: (connector) => {
      const one = known.get(connector);
      return one && fits(one) ? one : undefined;
    },
    knows: (server) => [...known.values()].some((one) => fits(one) && one.servers.includes(server)),
  });
  return {
    ...any(() => true),
    of: (zone) => any((one) => one.zone === zone),
    names: () => [...known.keys()],
    reload: () => {
      const files = filesIn(folder);
      const state = typeof files === "string" ? files : files.map(({ name, at }) => `${name}:${at}`).join();
      if (state === seen) return [];
      seen = state;
      if (typeof files === "string") {
        known = new Map();
        return [files];
      }
      const next = new Map<string, Enrolment>();
      const problems = files.flatMap(({ name }) => enrol(join(folder, name), next));
      known = next;
      return problems;
    },
  };
}

/** Or why there are none: whoever cannot be read about is not enrolled. A file that goes meanwhile is as one that went before. */
function filesIn(folder: string): { name: string; at: number }[] | string {
  try {
    return readdirSync(folder)
      .filter((name) => name.endsWith(".json"))
      .sort()
      .flatMap((name) => {
        const file = statSync(join(folder, name), { throwIfNoEntry: false });
        return file === undefined ? [] : [{ name, at: file.mtimeMs }];
      });
  } catch (error) {
    return `the folder ${folder} cannot be read, so nobody is enrolled: ${(error as NodeJS.ErrnoException).code}`;
  }
}

/** Reads one enrolment file. Throws for anything that is not one. */
export function readEnrolment(file: string): Enrolment {
  const enrolment = Enrolment.parse(JSON.parse(readFileSync(file, "utf8")));
  parsePublicKey(enrolment.publicKey);
  return enrolment;
}

function enrol(file: string, into: Map<string, Enrolment>): string[] {
  try {
    const enrolment = readEnrolment(file);
    if (into.has(enrolment.connector)) return [`${file}: ${enrolment.connector} is enrolled twice`];
    into.set(enrolment.connector, enrolment);
    return [];
  } catch (error) {
    return [`${file}: ${error instanceof Error ? error.message : String(error)}`];
  }
}
