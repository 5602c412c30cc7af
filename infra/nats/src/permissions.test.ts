import {
  bucket,
  type Contract,
  contracts,
  event,
  log,
  queue,
  request,
  revocations,
  stream,
  type ZoneInstance,
  zones,
} from "@sallyport/contracts";
import fc from "fast-check";
import { expect, test } from "vitest";
import { permissionsFor } from "./permissions.ts";

const edge: ZoneInstance = { zone: "edge", instance: "e1" };
const body = revocations.value;

test("a zone that no contract names may publish nothing, said as a denial because an empty list allows all", () => {
  expect(permissionsFor(edge, [])).toEqual({
    pub: { allow: [], deny: [">"] },
    sub: { allow: ["_INBOX.edge.e1.>"] },
  });
});

test("a request: the caller is pinned to itself, the server hears only in its queue group and may answer once", () => {
  const ask = request({
    subject: "svc.v1.{edge}.{connector}.ask",
    input: body,
    output: body,
    errors: [],
    servedBy: "broker",
    calledBy: ["edge"],
  });
  expect(permissionsFor(edge, [ask])).toEqual({
    pub: { allow: ["svc.v1.e1.*.ask"] },
    sub: { allow: ["_INBOX.edge.e1.>"] },
  });
  expect(permissionsFor({ zone: "broker", instance: "b1" }, [ask])).toEqual({
    pub: { allow: [], deny: [">"] },
    sub: { allow: ["_INBOX.broker.b1.>", "svc.v1.*.*.ask broker"] },
    resp: { max: 1, ttl: 60_000_000_000 },
  });
});

test("an event: the publisher is pinned by zone and instance, who hears it hears everyone", () => {
  const news = event({
    subject: "news.v1.{zone}.{instance}",
    maxBytes: 1,
    publishedBy: ["edge"],
    heardBy: ["edge"],
  });
  expect(permissionsFor(edge, [news])).toEqual({
    pub: { allow: ["news.v1.edge.e1"] },
    sub: { allow: ["_INBOX.edge.e1.>", "news.v1.*.*"] },
  });
});

test("a stream: each end speaks in its own name and hears what is addressed to it", () => {
  const road = stream({
    up: "up.{connector}.{edge}",
    down: "down.{edge}.{connector}",
    caller: "edge",
    server: "connector",
    maxBytes: 1,
  });
  expect(permissionsFor(edge, [road])).toEqual({
    pub: { allow: ["up.*.e1"] },
    sub: { allow: ["_INBOX.edge.e1.>", "down.e1.*"] },
  });
  expect(permissionsFor({ zone: "connector", instance: "c1" }, [road])).toEqual({
    pub: { allow: ["down.*.c1"] },
    sub: { allow: ["_INBOX.connector.c1.>", "up.c1.*"] },
  });
});

test("a log and a bucket: a writer writes, a reader asks JetStream for its own consumer and nothing more", () => {
  const record = log({
    subject: "rec.{zone}.{instance}",
    stream: "REC",
    maxBytes: 1,
    appendedBy: ["edge"],
    readBy: ["operator"],
  });
  const facts = bucket({
    name: "facts",
    value: body,
    writtenBy: ["edge"],
    readBy: ["operator"],
    ttlSeconds: 0,
  });
  expect(permissionsFor(edge, [record, facts]).pub.allow).toEqual(["$KV.facts.>", "rec.edge.e1"]);
  expect(permissionsFor({ zone: "operator", instance: "o1" }, [record, facts]).pub.allow).toEqual([
    "$JS.API.CONSUMER.CREATE.KV_facts.*.$KV.facts.>",
    "$JS.API.CONSUMER.CREATE.REC.*.rec.*.*",
    "$JS.API.CONSUMER.INFO.KV_facts.*",
    "$JS.API.CONSUMER.INFO.REC.*",
    "$JS.API.STREAM.INFO.KV_facts",
    "$JS.API.STREAM.INFO.REC",
    "$JS.API.STREAM.MSG.GET.KV_facts",
    "$JS.FC.KV_facts.>",
    "$JS.FC.REC.>",
  ]);
});

test("a queue: who enqueues is pinned, who takes pulls and acknowledges, who counts asks; nobody makes consumers", () => {
  const jobs = queue({
    subject: "jobs.{pool}.{edge}",
    stream: "JOBS",
    maxBytes: 1,
    maxMessages: 1,
    ttlSeconds: 1,
    ackWaitMs: 1,
    enqueuedBy: ["edge"],
    takenBy: ["runner"],
    countedBy: ["operator"],
  });
  expect(permissionsFor(edge, [jobs]).pub.allow).toEqual(["jobs.*.e1"]);
  expect(permissionsFor({ zone: "runner", instance: "r1" }, [jobs])).toEqual({
    pub: { allow: ["$JS.ACK.JOBS.>", "$JS.API.CONSUMER.MSG.NEXT.JOBS.*"] },
    sub: { allow: ["_INBOX.runner.r1.>"] },
  });
  expect(permissionsFor({ zone: "operator", instance: "o1" }, [jobs]).pub.allow).toEqual([
    "$JS.API.CONSUMER.INFO.JOBS.*",
  ]);
});

test("a bucket that is not watched is read one key at a time: its writer makes no consumer of its own words", () => {
  const spec = { name: "facts", value: body, writtenBy: ["edge"], readBy: ["edge"], ttlSeconds: 0 } as const;
  expect(permissionsFor(edge, [bucket({ ...spec, watched: false })]).pub.allow).toEqual([
    "$JS.API.STREAM.INFO.KV_facts",
    "$JS.API.STREAM.MSG.GET.KV_facts",
    "$KV.facts.>",
  ]);
});

test("a bucket or stream whose name is not one token throws: its name stands in subjects", () => {
  const spec = { value: body, writtenBy: ["edge"], readBy: ["edge"], ttlSeconds: 0 } as const;
  for (const name of ["*", ">", "a.b", "", "a b"]) {
    const broken: Contract = bucket({ ...spec, name });
    expect(() => permissionsFor(edge, [broken])).toThrow(/cannot be part of a subject/);
  }
});

test("no name that an instance can have gives it a wildcard in its own place", () => {
  fc.assert(
    fc.property(fc.constantFrom(...zones), fc.string({ unit: "binary", maxLength: 70 }), (zone, instance) => {
      const fits = /^[A-Za-z0-9_-]{1,64}$/.test(instance);
      if (!fits) {
        expect(() => permissionsFor({ zone, instance }, contracts)).toThrow();
        return;
      }
      const { pub, sub } = permissionsFor({ zone, instance }, contracts);
      expect(sub.allow).toContain(`_INBOX.${zone}.${instance}.>`);
      for (const subject of [...pub.allow, ...sub.allow]) expect(subject).not.toMatch(/^[*>]|\.\.|[\r\n\0]/);
    }),
  );
});
