import { type Reflector, startReflector } from "@sallyport/example-servers";
import type { Stack } from "@sallyport/infra-local";
import { leakCheck } from "@sallyport/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ask, textOf, toolCall } from "./call.fixture.ts";
import { listeningSockets, processTree } from "./processes.fixture.ts";
import { startTunnel } from "./tunnel.fixture.ts";

afterAll(leakCheck);

const secret = "reflector-secret-20aa";
const closedZones = ["connector-connector-1", "broker-broker-1", "collector-collector-1"] as const;

let stack: Stack;
let reflector: Reflector;
beforeAll(async () => {
  reflector = await startReflector({ token: secret });
  stack = await startTunnel({ routes: { reflector: { url: reflector.url, secret } } });
});
afterAll(async () => {
  await stack?.stop();
  await reflector?.close();
});

const call = async () => {
  const to = { server: "reflector", token: await stack.token("reflector") };
  return textOf(await ask(stack, to, toolCall("2025-11-25", "plain", { text: "through" })));
};

/** Of a zone and all that it started. */
const socketsOf = (name: string) =>
  processTree([stack.zones.get(name)?.pid ?? -1]).flatMap(({ pid }) => listeningSockets(pid));

describe("while calls pass", () => {
  it.each(closedZones)("%s has no socket that anybody could connect or send to", async (name) => {
    expect(await call()).toBe("through");
    expect(socketsOf(name)).toEqual([]);
  });

  it("the edge has one: what looks for them can see them", () => {
    const port = Number(new URL(stack.edgeUrl).port).toString(16).toUpperCase().padStart(4, "0");
    expect(socketsOf("edge-edge-1")).toEqual([{ kind: "tcp", local: `0100007F:${port}` }]);
  });
});
