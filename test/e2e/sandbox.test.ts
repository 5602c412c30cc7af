import { leakCheck, until } from "@sallyport/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ask, requestOn, textOf, toolCall, wires } from "./call.fixture.ts";
import { connectV1, connectV2 } from "./clients.fixture.ts";
import { type Caller, type SandboxSite, saidBy, startSandboxSite } from "./sandbox.fixture.ts";
import { heldBy, overlap, without } from "./sandbox-remains.fixture.ts";

afterAll(leakCheck);

let site: SandboxSite;
let agent: Caller;
let other: Caller;
beforeAll(async () => {
  site = await startSandboxSite({ pools: { box: { slots: 16, slotsPerAgent: 16 }, twin: {} } });
  agent = site.to("box");
  other = await site.asOther("box");
}, 120_000);
afterAll(() => site?.stop());

describe.each(wires)("a session in a sandbox, on the wire of %s", (wire) => {
  it("runs commands on this machine, and keeps files, variables and folder from call to call", async () => {
    const work = await site.begin(wire, agent);
    expect(work.handle).toMatch(/^runner-1\.[A-Za-z0-9_-]{32,}$/);
    expect(saidBy(await work.bash("mkdir deep; cd deep; X=kept; echo filed >a; echo $((6 * 7))"))).toBe("42");
    expect(saidBy(await work.bash('echo "$X $PWD $(cat a)"'))).toBe("kept /workspace/deep filed");
    const { message } = await work.bash("echo out; echo err >&2; exit 3");
    expect(message.result?.isError).toBe(true);
  });

  it("has eight tools, and files that are one with those of its commands", async () => {
    const work = await site.begin(wire, agent);
    const list = requestOn(wire, "tools/list");
    const session = wire === "2025-11-25" ? { "mcp-session-id": work.handle } : {};
    const listed = await ask(site.stack, agent, { ...list, headers: { ...list.headers, ...session } });
    expect(listed.message.result?.tools?.map(({ name }) => name).sort()).toEqual(
      ["bash", "edit", "glob", "grep", "kill_process", "list_processes", "read", "write"].sort(),
    );
    await work.call("write", { file_path: "note.txt", content: "first line\n" });
    await work.call("edit", { file_path: "note.txt", old_string: "first", new_string: "only" });
    expect(saidBy(await work.bash("cat note.txt"))).toBe("only line");
    expect(saidBy(await work.call("grep", { pattern: "only" }))).toContain("note.txt");
    expect(saidBy(await work.call("glob", { pattern: "*.txt" }))).toContain("note.txt");
    expect(saidBy(await work.call("read", { file_path: "/etc/shadow" }))).not.toContain("root:");
  });

  it("is apart from another of the same agent", async () => {
    const [one, two] = [await site.begin(wire, agent), await site.begin(wire, agent)] as const;
    await one.bash("echo mine >a; X=mine; sleep 300 & disown");
    expect(saidBy(await two.bash('ls; echo "[$X]"'))).toBe("[]");
    expect(saidBy(await two.call("list_processes"))).not.toContain("sleep");
  });

  it("is for another agent, and in another pool, as one that never was", async () => {
    const work = await site.begin(wire, agent);
    await work.bash("echo kept >a");
    const twin = site.to("twin");
    const runs = heldBy(site.stack).folders.length;
    for (const caller of [other, twin]) {
      const stolen = await site.workIn(wire, { ...caller, handle: work.handle }).bash("cat a");
      const bent = `${work.handle.slice(0, -4)}AAAA`;
      const unknown = await site.workIn(wire, { ...caller, handle: bent }).bash("cat a");
      expect([stolen.status, stolen.text]).toEqual([unknown.status, unknown.text]);
      if (wire === "2025-11-25") expect(stolen.status).toBe(404);
      else expect(stolen.message.result).toMatchObject({ isError: true });
      expect(stolen.text).not.toContain("kept");
      expect((await site.end({ ...caller, handle: work.handle })).status).toBe(404);
    }
    expect(heldBy(site.stack).folders.length).toBe(runs);
    expect(saidBy(await work.bash("cat a"))).toBe("kept");
  });
});

describe("the end of a session", () => {
  it("frees processes, mounts, cgroups and files, and its name is never good again", async () => {
    const before = heldBy(site.stack);
    const work = await site.begin("2025-11-25", agent);
    await work.bash("echo x >/workspace/a; (setsid sleep 300 &) ; nohup sleep 300 >/dev/null 2>&1 &");
    const its = without(heldBy(site.stack), before);
    expect(its.processes.length).toBeGreaterThanOrEqual(4);
    for (const what of ["mounts", "cgroups", "folders"] as const)
      expect([what, its[what].length > 0]).toEqual([what, true]);
    const to = { ...agent, handle: work.handle };
    expect((await site.end(to)).status).toBe(200);
    const left = () => overlap(heldBy(site.stack), its);
    await until("nothing left of it", () => left() === 0, { within: 5_000 });
    expect((await work.bash("true")).status).toBe(404);
    expect((await site.end(to)).status).toBe(404);
    expect(left()).toBe(0);
  });
});

describe("the official clients", () => {
  it("of 2025-11-25 works in its session and ends it", async () => {
    const { client, transport } = await connectV1(site.stack, agent);
    const bash = async (command: string) =>
      textOf({
        message: { result: (await client.callTool({ name: "bash", arguments: { command } })) as never },
      });
    await bash("X=kept");
    expect(await bash("echo $X")).toBe("kept");
    const handle = transport.sessionId ?? "";
    await transport.terminateSession();
    await client.close();
    expect((await site.workIn("2025-11-25", { ...agent, handle }).bash("true")).status).toBe(404);
  });

  it("of 2026-07-28 works in the sandbox that it was told of", async () => {
    const { client } = await connectV2(site.stack, agent);
    const call = async (args: object) =>
      (await client.callTool({ name: "bash", arguments: { ...args } })) as {
        content: { text?: string }[];
        _meta?: Record<string, unknown>;
      };
    const first = await call({ command: "X=kept" });
    const sandbox = first._meta?.["dev.sallyport/sandbox"];
    expect(sandbox).toMatch(/^runner-1\./);
    expect((await call({ command: "echo $X", sandbox })).content[0]?.text).toBe("kept");
    await client.close();
  });
});

it("a call that names no session and begins none reaches no sandbox", async () => {
  const { message, status } = await ask(
    site.stack,
    agent,
    toolCall("2025-11-25", "bash", { command: "true" }),
  );
  expect([status, message.result]).toEqual([400, undefined]);
  const begun = await site.tryToBegin("2026-07-28", { ...agent, server: "twin" });
  expect(begun.status).toBe(401);
});
