import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { openEnrolments } from "./enrolments.ts";
import { generateRecipientKey } from "./keys.ts";

let folder: string;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "enrolments-"));
  const { publicKey } = await generateRecipientKey();
  writeFileSync(join(folder, "c1.json"), JSON.stringify({ connector: "c1", publicKey, servers: ["crm"] }));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

test("who has a good file is enrolled, for its own zone and its servers", () => {
  const enrolments = openEnrolments(folder);
  expect(enrolments.reload()).toEqual([]);
  expect(enrolments.get("c1")).toMatchObject({ zone: "connector", servers: ["crm"] });
  expect(enrolments.of("runner").get("c1")).toBeUndefined();
  expect([enrolments.knows("crm"), enrolments.knows("wiki")]).toEqual([true, false]);
});

test("a file that is no enrolment is told once, and enrols nobody", () => {
  const enrolments = openEnrolments(folder);
  writeFileSync(join(folder, "c2.json"), "{");
  expect(enrolments.reload()).toEqual([expect.stringContaining("c2.json")]);
  expect(enrolments.reload()).toEqual([]);
  expect(enrolments.names()).toEqual(["c1"]);
});

test("a folder that is not there enrols nobody, says so once, and counts again when it is back", () => {
  const enrolments = openEnrolments(folder);
  enrolments.reload();
  renameSync(folder, `${folder}-away`);
  expect(enrolments.reload()).toEqual([expect.stringMatching(/nobody is enrolled: ENOENT/)]);
  expect(enrolments.get("c1")).toBeUndefined();
  expect(enrolments.reload()).toEqual([]);
  renameSync(`${folder}-away`, folder);
  expect(enrolments.reload()).toEqual([]);
  expect(enrolments.get("c1")).toBeDefined();
});
