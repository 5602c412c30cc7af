import { request } from "node:http";
import { expect, test } from "vitest";
import { Health } from "./health.ts";
import { serveHealth } from "./health-server.ts";

test("ready and healthy are answered separately, and an unhealthy process is not ready", async () => {
  const health = new Health();
  let vault: "ok" | { problem: string } = "ok";
  let loop: "ok" | { problem: string } = "ok";
  health.check("vault", () => vault);
  health.check("loop", async () => loop, { affects: "healthy" });
  expect(await health.report("ready")).toEqual({ ok: true, checks: { vault: "ok", loop: "ok" } });
  vault = { problem: "sealed" };
  expect(await health.report("ready")).toMatchObject({ ok: false, checks: { vault: { problem: "sealed" } } });
  expect(await health.report("healthy")).toEqual({ ok: true, checks: { loop: "ok" } });
  vault = "ok";
  loop = { problem: "stuck" };
  expect((await health.report("healthy")).ok).toBe(false);
  expect((await health.report("ready")).ok).toBe(false);
});

test("a check that throws or never answers has failed", async () => {
  const health = new Health();
  health.check("throws", () => {
    throw new Error("no route");
  });
  health.check("hangs", () => new Promise(() => {}));
  expect(await health.report("ready")).toEqual({
    ok: false,
    checks: { throws: { problem: "no route" }, hangs: { problem: "no answer in 1000 ms" } },
  });
});

test("a failing check answers 503 on a loopback port where one is configured", async () => {
  const health = new Health();
  health.check("nats", () => ({ problem: "disconnected" }));
  const server = await serveHealth(health, { port: 0 }, { zone: "edge", instance: "e1" });
  const answer = await new Promise<number | undefined>((resolve, reject) => {
    request({ host: "127.0.0.1", port: server.port, path: "/readyz" }, (response) => {
      response.resume();
      resolve(response.statusCode);
    })
      .once("error", reject)
      .end();
  });
  expect(answer).toBe(503);
  await server.close();
});
