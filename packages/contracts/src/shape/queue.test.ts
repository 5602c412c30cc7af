import { expect, test } from "vitest";
import { queue } from "./contract.ts";

const spec = {
  subject: "jobs.v1.{pool}.{edge}" as const,
  stream: "JOBS",
  maxBytes: 100,
  maxMessages: 10,
  ttlSeconds: 60,
  ackWaitMs: 1000,
  enqueuedBy: ["edge"],
  takenBy: ["runner"],
  countedBy: [],
} as const;

test("a queue's subject names its pool", () => {
  expect(queue(spec).subject.filterFor({ pool: "a" })).toBe("jobs.v1.a.*");
  expect(() => queue({ ...spec, subject: "jobs.v1.{edge}" })).toThrow(/\{pool\}/);
});

test("no zone may enqueue and take: it could have words of its own delivered into any stream", () => {
  expect(() => queue({ ...spec, takenBy: ["runner", "edge"] })).toThrow(/edge may not enqueue and take/);
});
