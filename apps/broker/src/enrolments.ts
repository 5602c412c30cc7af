import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { InstanceName, ServerName } from "@sallyport/contracts";
import { parsePublicKey } from "@sallyport/seal";
import { z } from "zod";

/** A connector as an operator enrolled it: the key that credentials are sealed to, never one that a request names. */
const Enrolment = z.strictObject({
  connector: InstanceName,
  publicKey: z.string().max(4096),
  servers: z.array(ServerName).min(1).max(256),
});
export type Enrolment = z.output<typeof Enrolment>;

export interface Enrolments {
  get(connector: string): Enrolment | undefined;
  /** Reads the folder again if it has changed. Returns what is wrong, file by file; a bad file enrols nobody. */
  reload(): string[];
}

/** The folder of `*.json` files, one per connector, that the edge has too. Only an operator can write there. */
export function openEnrolments(folder: string): Enrolments {
  let known = new Map<string, Enrolment>();
  let seen = "";
  return {
    get: (connector) => known.get(connector),
    reload: () => {
      const files = readdirSync(folder)
        .filter((file) => file.endsWith(".json"))
        .sort();
      const state = files.map((file) => `${file}:${statSync(join(folder, file)).mtimeMs}`).join();
      if (state === seen) return [];
      seen = state;
      const next = new Map<string, Enrolment>();
      const problems = files.flatMap((file) => {
        const problem = enrol(join(folder, file), next);
        return problem === undefined ? [] : [`${join(folder, file)}: ${problem}`];
      });
      known = next;
      return problems;
    },
  };
}

function enrol(file: string, into: Map<string, Enrolment>): string | undefined {
  try {
    const enrolment = Enrolment.parse(JSON.parse(readFileSync(file, "utf8")));
    parsePublicKey(enrolment.publicKey);
    if (into.has(enrolment.connector)) return `${enrolment.connector} is enrolled twice`;
    into.set(enrolment.connector, enrolment);
    return undefined;
  } catch (thrown) {
    return thrown instanceof Error ? thrown.message : String(thrown);
  }
}
