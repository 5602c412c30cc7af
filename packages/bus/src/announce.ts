import { randomUUID } from "node:crypto";
import { presence } from "@sallyport/contracts";
import type { z } from "zod";
import type { Bus } from "./connect.ts";
import { publish } from "./events.ts";
import type { Closable } from "./serve.ts";

const everyMs = 1_000;

type News = Pick<
  z.input<NonNullable<typeof presence.body>>,
  "servers" | "problems" | "sandboxes" | "demands"
>;

/**
 * Says "I am here" now and once a second: which process this is, since when, and what it has to tell. `now` says it
 * once more, for news that should not wait.
 */
export function announce(
  bus: Bus,
  who: { version: string; news(): News; boot?: string },
): Closable & { now(): void } {
  const { zone, instance } = bus.who;
  const boot = who.boot ?? randomUUID();
  const startedAt = new Date().toISOString();
  const say = () =>
    publish(bus, presence, {
      params: { zone, instance },
      body: { boot, version: who.version, startedAt, ...who.news() },
    });
  say();
  const timer = setInterval(say, everyMs);
  return { now: say, close: async () => clearInterval(timer) };
}
