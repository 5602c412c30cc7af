import { generateKeyPairSync } from "node:crypto";
import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { jwksFromFile } from "./jwks-file.ts";

let folder: string;
let path: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "jwks-"));
  path = join(folder, "jwks.json");
});
afterEach(() => rm(folder, { recursive: true }));

const jwk = (kid: string) => ({ ...generateKeyPairSync("ed25519").publicKey.export({ format: "jwk" }), kid });
async function publish(...kids: string[]): Promise<void> {
  await writeFile(`${path}.new`, JSON.stringify({ keys: kids.map(jwk) }));
  await rename(`${path}.new`, path);
}
const hint = (kid: string) => ({ alg: "EdDSA", kid });

describe("keys from a file", () => {
  test("are found by their id", async () => {
    await publish("a", "b");
    const keys = jwksFromFile(path);
    expect(await keys.keyFor(hint("b"))).toMatchObject({ type: "public" });
    await expect(keys.keyFor(hint("c"))).rejects.toMatchObject({ code: "unknown-key" });
  });

  test("are imported once while the file stays as it is", async () => {
    await publish("a");
    const keys = jwksFromFile(path);
    expect(await keys.keyFor(hint("a"))).toBe(await keys.keyFor(hint("a")));
  });

  test("change with the file: new ones count, old ones do not", async () => {
    await publish("a");
    const keys = jwksFromFile(path);
    await keys.keyFor(hint("a"));
    await publish("b");
    expect(await keys.keyFor(hint("b"))).toMatchObject({ type: "public" });
    await expect(keys.keyFor(hint("a"))).rejects.toMatchObject({ code: "unknown-key" });
  });

  test("are unavailable while the file is missing, broken or too large, and come back by themselves", async () => {
    const keys = jwksFromFile(path);
    const unavailable = () =>
      expect(keys.keyFor(hint("a"))).rejects.toMatchObject({ code: "keys-unavailable" });
    await unavailable();
    await publish("a");
    await keys.keyFor(hint("a"));
    await writeFile(path, '{"keys":[');
    await unavailable();
    await publish("a");
    await keys.keyFor(hint("a"));
    await writeFile(path, JSON.stringify({ keys: [jwk("a")], padding: "x".repeat(256 * 1024) }));
    await unavailable();
    await rm(path);
    await unavailable();
  });
});
