import { ServiceError, type WorkItem } from "@sallyport/contracts";
import type { Message } from "@sallyport/mcp";
import { expect, test } from "vitest";
import { type Routed, type RouterDeps, router } from "./router.ts";
import type { OpenTunnel } from "./tunnel.ts";

const tunnelTo = (name: string) => ({ name }) as unknown as OpenTunnel;
const request = (method: string, params: Record<string, unknown> = {}): Message =>
  ({ kind: "request", id: 1, method, params }) as Message;

/** A router whose tunnels say where they lead. Nothing is placed: an item that is asked for is an error of the test. */
function routes(more: Partial<RouterDeps> = {}) {
  const chosen: unknown[] = [];
  const choose = (kind: string) => ({
    choose: (server: string, session?: { connector: string; begins: boolean }) => {
      chosen.push([kind, server, session]);
      return tunnelTo(kind);
    },
  });
  const store = {
    create: () => Promise.reject(new ServiceError("unavailable", "an item was asked for")),
  } as unknown as RouterDeps["work"]["store"];
  const route = router({
    connectors: choose("connector"),
    runners: choose("runner"),
    isPool: (server) => server === "sandbox" || server === "outside",
    isEnvironment: (server) => server === "outside",
    work: { store, now: Date.now } as RouterDeps["work"],
    tenant: "t",
    requirements: () => ({}) as WorkItem["requirements"],
    placeWithin: 1_000,
    ...more,
  });
  const call = async (server: string, of: Partial<Routed>) =>
    route({ server, session: undefined, messages: [], begins: true, traceparent: undefined, ...of });
  return { call, chosen, route };
}

test("a private server is behind a connector, which a session's name begins with", async () => {
  const { call, chosen } = routes();
  await call("orders", { session: "c1.abc" });
  await call("orders", { messages: [request("initialize")] });
  expect(chosen).toEqual([
    ["connector", "orders", { connector: "c1", begins: true }],
    ["connector", "orders", undefined],
  ]);
});

test("the way to a private server is told without a wait, so that calls which come together are not all sent one way", () => {
  const { route } = routes();
  const call = { server: "orders", session: undefined, messages: [], begins: true, traceparent: undefined };
  expect(route(call)).not.toBeInstanceOf(Promise);
});

test("a session in a sandbox goes to the runner that it is named after, and so does a handle in a tool's arguments", async () => {
  const { call, chosen } = routes();
  await call("sandbox", { session: "r1.abc", messages: [request("tools/call", { name: "bash" })] });
  const params = { name: "bash", arguments: { sandbox: "r2.abc", command: "true" } };
  await call("sandbox", { messages: [request("tools/call", params)] });
  expect(chosen).toEqual([
    ["runner", "sandbox", { connector: "r1", begins: true }],
    ["runner", "sandbox", { connector: "r2", begins: true }],
  ]);
});

test.each(["tools/list", "ping", "server/discover"])(
  "%s needs no sandbox, so any runner answers it",
  async (method) => {
    const { call, chosen } = routes();
    await call("sandbox", { messages: [request(method)] });
    expect(chosen).toEqual([["runner", "sandbox", undefined]]);
  },
);

test.each(["initialize", "tools/call"])(
  "%s without a session has a runner claim one first",
  async (method) => {
    const { call } = routes();
    await expect(call("sandbox", { messages: [request(method)] })).rejects.toThrow("an item was asked for");
  },
);

test("where nobody offers the pool no item is made, and the agent is told at once", async () => {
  const none = {
    choose: (): OpenTunnel => {
      throw new ServiceError("unavailable", "no runner offers sandbox now; try again");
    },
  };
  const { call } = routes({ runners: none });
  await expect(call("sandbox", { messages: [request("initialize")] })).rejects.toThrow("no runner offers");
});

test("a pool of workers outside has no items: any of its runners decides its calls", async () => {
  const { call, chosen } = routes();
  await call("outside", { messages: [request("initialize")] });
  expect(chosen).toEqual([["runner", "outside", undefined]]);
});

test.each(["", "no-dot", ".abc", "a b.c", `${"x".repeat(65)}.y`])(
  "a name that says no holder is no session: %j",
  async (name) => {
    const { call } = routes();
    await expect(call("sandbox", { session: name })).rejects.toThrow("there is no such session");
    const params = { name: "bash", arguments: { sandbox: name } };
    await expect(call("sandbox", { messages: [request("tools/call", params)] })).rejects.toThrow(
      "there is no such session",
    );
  },
);
