import { expect, test } from "vitest";
import { PlacedSecrets } from "./placed-secrets.ts";

const ann = { principal: "ann", handle: "r1.a" };
const annToo = { principal: "ann", handle: "r1.b" };
const secret = (value: string) => ({ name: "orders-api", value: Buffer.from(value) });
const first = "first-secret-value-0001";
const second = "second-secret-value-0002";

test("an agent's answers hold nothing that was placed for any of its sandboxes", () => {
  const placed = new PlacedSecrets();
  placed.add(ann, secret(first));
  placed.add(annToo, secret(second));
  const text = placed.scrubber("ann")?.text(`${first} ${second}`) ?? "";
  expect(text).not.toMatch(/secret-value/);
  expect(placed.scrubber("bob")).toBeUndefined();
  expect(placed.everything.text(first)).not.toContain(first);
});

test("what a sandbox that is gone was given is forgotten, and nothing else", () => {
  const placed = new PlacedSecrets();
  placed.add(ann, secret(first));
  placed.add(annToo, secret(first));
  placed.add(annToo, secret(second));
  placed.forget(ann);
  expect(placed.scrubber("ann")?.text(first)).not.toContain(first);
  placed.forget(annToo);
  expect(placed.scrubber("ann")).toBeUndefined();
  expect(placed.everything.text(first)).toBe(first);
});

test("one that could not be found again is not placed", () => {
  const placed = new PlacedSecrets();
  expect(() => placed.add(ann, secret("a"))).toThrow();
  expect(placed.scrubber("ann")).toBeUndefined();
});
