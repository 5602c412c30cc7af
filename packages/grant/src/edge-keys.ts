import { createPublicKey, type KeyObject } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** The keys that edges sign with, as an operator enrolled them here. */
export interface EdgeKeys {
  /** Newest first; none for an edge that is not known. */
  of(edge: string): readonly KeyObject[];
  /** Reads them again. Returns what is wrong, edge by edge; a bad file lets nobody in. */
  reload(): string[];
}

/** More than the key in use and the one before it is a file that nobody looks after. */
const maxKeys = 2;

/**
 * Ed25519 public keys, PEM: a folder of `{edge}.pem`, or edge → file. A file has one key, or two while the edge changes
 * its own.
 */
export function openEdgeKeys(where: string | Readonly<Record<string, string>>): EdgeKeys {
  let known = new Map<string, readonly KeyObject[]>();
  return {
    of: (edge) => known.get(edge) ?? [],
    reload: () => {
      const next = new Map<string, readonly KeyObject[]>();
      const problems: string[] = [];
      for (const [edge, file] of filesIn(where)) {
        try {
          next.set(edge, readKeys(file));
        } catch (error) {
          problems.push(`${file}: ${error instanceof Error ? error.message : String(error)}`);
        }
      }
      known = next;
      return problems;
    },
  };
}

function filesIn(where: string | Readonly<Record<string, string>>): [string, string][] {
  if (typeof where !== "string") return Object.entries(where);
  const names = readdirSync(where).filter((name) => name.endsWith(".pem"));
  return names.sort().map((name): [string, string] => [name.slice(0, -4), join(where, name)]);
}

function readKeys(file: string): readonly KeyObject[] {
  const text = readFileSync(file, "utf8");
  // Node would make the public key of a private one, and nobody would notice that the edge's key lies here.
  if (text.includes("PRIVATE KEY"))
    throw new Error("it holds a private key, which must never leave the edge");
  const blocks = text.split(/(?<=-----END [A-Z ]+-----)/).filter((block) => block.trim() !== "");
  if (blocks.length === 0) throw new Error("it holds no key");
  if (blocks.length > maxKeys) throw new Error(`it holds ${blocks.length} keys, and ${maxKeys} are the most`);
  return blocks.map((block) => {
    const key = createPublicKey(block);
    if (key.asymmetricKeyType !== "ed25519")
      throw new Error(`it holds a key of type ${key.asymmetricKeyType}`);
    return key;
  });
}
