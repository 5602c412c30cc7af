import { mkdtemp, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SecretFile } from "@sallyport/runtime";
import { afterEach, beforeEach, expect, test } from "vitest";
import { stampOf } from "./file-stamp.ts";

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "broker-stamp-"));
});
afterEach(() => rm(folder, { recursive: true }));

test("a stamp is the same until a file is written or touched, and there is none while one is away or empty", async () => {
  const path = join(folder, "secret-id");
  const stamp = () => stampOf([new SecretFile(path)]);
  expect(await stamp()).toBeUndefined();
  await writeFile(path, "");
  expect(await stamp()).toBeUndefined();
  await writeFile(path, "one");
  const first = await stamp();
  expect(first).toBeDefined();
  expect(await stamp()).toBe(first);
  await utimes(path, 1, 1);
  expect(await stamp()).not.toBe(first);
});
