import { expect, test } from "vitest";
import * as exported from "../index.ts";
import { contracts } from "./all.ts";

const kinds = new Set(["request", "event", "stream", "log", "bucket", "queue"]);

test("every contract that the package exports is in the list that permissions come from", () => {
  const found = Object.values(exported).filter(
    (value) => typeof value === "object" && "kind" in value && kinds.has(value.kind as string),
  );
  expect(found.length).toBeGreaterThan(5);
  expect(new Set(found)).toEqual(new Set(contracts));
});

test("no two contracts share a subject, a stream or a bucket: one would get the other's permissions", () => {
  const names = contracts.flatMap((contract) => {
    if (contract.kind === "bucket") return [`KV_${contract.name}`];
    if (contract.kind === "stream") return [contract.up.filterFor({}), contract.down.filterFor({})];
    if (contract.kind === "log" || contract.kind === "queue")
      return [contract.stream, contract.subject.filterFor({})];
    return [contract.subject.filterFor({})];
  });
  expect(names).toEqual([...new Set(names)]);
});

test("every message fits into what NATS carries, headers included", () => {
  for (const contract of contracts) {
    if ("maxBytes" in contract) expect(contract.maxBytes).toBeLessThanOrEqual(1024 * 1024 - 4096);
  }
});
