import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { parsePublicKey } from "@sallyport/seal";
import { type Enrolment, readEnrolment } from "./config.ts";

export interface Enrolments {
  get(connector: string): Enrolment | undefined;
  all(): readonly Enrolment[];
  /** Whether any enrolled connector may answer for this server. */
  knows(server: string): boolean;
  /** Reads the folder again. Returns what is wrong, file by file; a bad file enrols nobody. */
  reload(): string[];
}

/** The connectors this edge believes in, from a folder of `*.json` files that only an operator can write. */
export function openEnrolments(folder: string): Enrolments {
  let known = new Map<string, Enrolment>();
  let seen = "";
  const enrolments: Enrolments = {
    get: (connector) => known.get(connector),
    all: () => [...known.values()],
    knows: (server) => [...known.values()].some((one) => one.servers.includes(server)),
    reload: () => {
      const files = readdirSync(folder)
        .filter((file) => file.endsWith(".json"))
        .sort();
      const state = files.map((file) => `${file}:${statSync(join(folder, file)).mtimeMs}`).join();
      if (state === seen) return [];
      seen = state;
      const problems: string[] = [];
      const next = new Map<string, Enrolment>();
      for (const file of files) {
        try {
          const enrolment = readEnrolment(join(folder, file));
          parsePublicKey(enrolment.publicKey);
          if (next.has(enrolment.connector)) throw new Error(`${enrolment.connector} is enrolled twice`);
          next.set(enrolment.connector, enrolment);
        } catch (error) {
          problems.push(`${join(folder, file)}: ${error instanceof Error ? error.message : String(error)}`);
        }
      }
      known = next;
      return problems;
    },
  };
  return enrolments;
}
