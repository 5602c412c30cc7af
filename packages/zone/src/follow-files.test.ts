import {
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Health } from "@sallyport/runtime";
import { until } from "@sallyport/testkit";
import { afterEach, beforeEach, expect, test } from "vitest";
import { followFiles } from "./follow-files.ts";

let folder: string;
let health: Health;
const closes: (() => Promise<unknown>)[] = [];
const errors: string[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "zone-follow-"));
  health = new Health();
  errors.length = 0;
});
afterEach(async () => {
  for (const close of closes.splice(0)) await close();
  rmSync(folder, { recursive: true });
});

const soon = { within: 10_000 };
function follow(paths: string[], read: () => string[]): () => number {
  let reads = 0;
  const app = {
    health,
    log: { error: (fields: { problem: string }) => errors.push(fields.problem) },
    use: <T extends { close(): Promise<unknown> }>(one: T): T => {
      closes.push(() => one.close());
      return one;
    },
  };
  followFiles(app as unknown as Parameters<typeof followFiles>[0], {
    ...{ name: "keys", paths },
    read: () => {
      reads += 1;
      return read();
    },
  });
  return () => reads;
}

test("a file is read again when it is written, replaced or removed, and not otherwise", async () => {
  const file = join(folder, "a");
  const reads = follow([file], () => []);
  await until("it was read at first", () => reads() === 1, soon);
  writeFileSync(file, "1");
  await until("it was read when it came", () => reads() === 2, soon);
  writeFileSync(join(folder, "draft"), "2");
  renameSync(join(folder, "draft"), file);
  await until("it was read when it was replaced", () => reads() === 3, soon);
  rmSync(file);
  await until("it was read when it went", () => reads() === 4, soon);
});

test("a folder is followed with what is in it", async () => {
  const sub = join(folder, "edges");
  mkdirSync(sub);
  const reads = follow([sub], () => []);
  await until("it was read at first", () => reads() === 1, soon);
  writeFileSync(join(sub, "edge-1.pem"), "1");
  await until("it was read when a file came", () => reads() >= 2, soon);
});

test("what is wrong is said once and makes the zone not ready, until it is mended", async () => {
  const file = join(folder, "a");
  let wrong = true;
  follow([file], () => {
    if (wrong) throw new Error("no key");
    return [];
  });
  const state = async () => (await health.report("ready")).checks;
  await until("it is not ready", async () => JSON.stringify(await state()).includes("no key"), soon);
  expect(errors).toEqual(["no key"]);
  wrong = false;
  writeFileSync(file, "good");
  await until("it is ready", async () => !JSON.stringify(await state()).includes("no key"), soon);
});

test("a path that cannot be looked at is told by who reads it, and followed on", async () => {
  const path = join(folder, "loop");
  symlinkSync(path, path);
  const reads = follow([path], () => {
    readFileSync(path);
    return [];
  });
  await until("it was told", () => errors.some((problem) => problem.includes("ELOOP")), soon);
  rmSync(path);
  writeFileSync(path, "1");
  await until("it was read when it was mended", () => reads() === 2, soon);
});
