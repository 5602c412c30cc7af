import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openEdgeKeys } from "./edge-keys.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "grant-edges-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const pem = () => generateKeyPairSync("ed25519").publicKey.export({ format: "pem", type: "spki" }).toString();
const write = (name: string, text: string) => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};
const count = (keys: ReturnType<typeof openEdgeKeys>) => keys.of("edge-1").length;

test("a folder has an edge to a file, and follows what is put in and taken out", () => {
  const keys = openEdgeKeys(folder);
  expect(keys.reload()).toEqual([]);
  write("edge-1.pem", pem());
  write("notes.txt", "not a key");
  expect(count(keys)).toBe(0);
  expect(keys.reload()).toEqual([]);
  expect(count(keys)).toBe(1);
  expect(keys.of("edge-2")).toEqual([]);
  rmSync(join(folder, "edge-1.pem"));
  keys.reload();
  expect(count(keys)).toBe(0);
});

test("two keys count while an edge changes its own, newest first, and not three", () => {
  const [newest, before, oldest] = [pem(), pem(), pem()];
  const keys = openEdgeKeys({ "edge-1": write("a.pem", newest + before) });
  expect(keys.reload()).toEqual([]);
  expect(keys.of("edge-1").map((key) => key.export({ format: "pem", type: "spki" }))).toEqual([
    newest,
    before,
  ]);
  write("a.pem", newest + before + oldest);
  expect(keys.reload()).toEqual([expect.stringContaining("2 are the most")]);
  expect(count(keys)).toBe(0);
});

const pkcs8 = () =>
  generateKeyPairSync("ed25519").privateKey.export({ format: "pem", type: "pkcs8" }).toString();
const ec = () =>
  generateKeyPairSync("ec", { namedCurve: "P-256" }).publicKey.export({ format: "pem", type: "spki" });
test.each<[string, string, RegExp]>([
  ["a private key", pkcs8(), /private key/],
  ["a key of another kind", ec().toString(), /type ec/],
  ["a good key and a private one", pem() + pkcs8(), /private key/],
  ["nothing", "", /no key/],
  ["something else", "hello", /./],
])("a file with %s lets nobody in, and that is told", (_what, text, why) => {
  const keys = openEdgeKeys({ "edge-1": write("a.pem", text), "edge-2": write("b.pem", pem()) });
  expect(keys.reload()).toEqual([expect.stringMatching(why)]);
  expect(count(keys)).toBe(0);
  expect(keys.of("edge-2")).toHaveLength(1);
});

test("a file that is not there is told", () => {
  expect(openEdgeKeys({ "edge-1": join(folder, "none") }).reload()).toEqual([
    expect.stringContaining("ENOENT"),
  ]);
});
