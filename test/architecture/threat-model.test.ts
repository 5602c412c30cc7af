import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const root = join(import.meta.dirname, "../..");
const cited = /\[`([^`]+)`\]\(\.\.\/[^)]+\)(?:: ([^|<]+?))?(?= \||<br>)/g;

test("every promise of the threat model names a test that is there", () => {
  const text = readFileSync(join(root, "docs/threat-model.md"), "utf8");
  const missing: string[] = [];
  let count = 0;
  for (const [, file = "", title] of text.matchAll(cited)) {
    count += 1;
    const path = join(root, file);
    if (!existsSync(path)) missing.push(file);
    else if (title !== undefined && !readFileSync(path, "utf8").includes(title.trim()))
      missing.push(`${file}: ${title.trim()}`);
  }
  expect(missing).toEqual([]);
  expect(count).toBeGreaterThan(20);
});

test("every cell of the zones' table names a test that is there", () => {
  const text = readFileSync(join(root, "docs/guides/deploy.md"), "utf8");
  const links = [...text.matchAll(/\]\(\.\.\/\.\.\/([^ )]+\.test\.ts)(?: "([^"]+)")?\)/g)];
  const missing = links.filter(([, file = "", title = ""]) => {
    const path = join(root, file);
    return !existsSync(path) || !readFileSync(path, "utf8").includes(title);
  });
  expect(missing.map(([, file, title]) => `${file}: ${title}`)).toEqual([]);
  expect(links.length).toBeGreaterThan(15);
});
