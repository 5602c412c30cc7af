import { createPublicKey, type KeyObject } from "node:crypto";
import { readFileSync } from "node:fs";
import { BootError } from "@sallyport/runtime";

/** The Ed25519 public keys that edges sign grants with, by edge. A file that holds anything else stops the boot. */
export function readEdgeKeys(
  files: Readonly<Record<string, string>>,
): (edge: string) => KeyObject | undefined {
  const keys = new Map(Object.entries(files).map(([edge, file]) => [edge, readEdgeKey(edge, file)]));
  return (edge) => keys.get(edge);
}

function readEdgeKey(edge: string, file: string): KeyObject {
  const setting = `edges.${edge}`;
  try {
    const text = readFileSync(file, "utf8");
    // Node would make the public key of a private one, and nobody would notice that the edge's key lies here.
    if (text.includes("PRIVATE KEY"))
      throw new Error("it holds a private key, which must never leave the edge");
    const key = createPublicKey(text);
    if (key.asymmetricKeyType !== "ed25519")
      throw new Error(`it holds a key of type ${key.asymmetricKeyType}`);
    return key;
  } catch (cause) {
    const message = `${file}: ${cause instanceof Error ? cause.message : String(cause)}`;
    throw new BootError(message, { setting, fix: "give the edge's Ed25519 public key as PEM", cause });
  }
}
