import { join } from "node:path";
import { expect, test } from "vitest";
import { findingsIn, needlessExceptions } from "./findings.ts";
import { readRepository } from "./source-files.ts";

const repository = readRepository(join(import.meta.dirname, "../.."));

test("the repository keeps to its direction table", () => {
  const found = findingsIn(repository).map(
    ({ at, problem, because }) => `${at} ${problem}\n    because ${because}`,
  );
  expect(found.join("\n"), "see test/architecture/layers.ts and only-here.ts").toBe("");
});

test("the whole repository is read, so the test above tests something", () => {
  expect(repository.files.length).toBeGreaterThan(300);
  expect(repository.workspaces.map(({ folder }) => folder)).toEqual(
    expect.arrayContaining(["packages/contracts", "packages/bus", "apps/edge", "infra/nats", "test"]),
  );
});

test("no exception of the table is left that nobody needs", () => {
  expect(needlessExceptions(repository)).toEqual([]);
});
