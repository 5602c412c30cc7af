import { leakCheck, until } from "@sallyport/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { send, textOf, wires } from "./call.fixture.ts";
import { connectV1, connectV2 } from "./clients.fixture.ts";
import { type SandboxSite, saidBy, startSandboxSite } from "./sandbox.fixture.ts";
import { commandLineOf, heldBy } from "./sandbox-remains.fixture.ts";

afterAll(leakCheck);

let site: SandboxSite;
beforeAll(async () => {
  site = await startSandboxSite({
    pools: {
      box: {},
      idle: { idle: "1s" },
      wall: { wall: "2s" },
      each: { slotsPerAgent: 1 },
      full: { slots: 1 },
    },
    more: { placement: "4s" },
  });
}, 120_000);
afterAll(() => site?.stop());

const to = (pool: string) => site.to(pool);

/** Host pids of processes in sandboxes that were started with this. */
function running(...argument: string[]): number[] {
  const { processes } = heldBy(site.stack);
  return processes.filter((pid) => commandLineOf(pid).includes(argument.join("\0")));
}

describe.each(wires)("a session's time, on the wire of %s", (wire) => {
  it("ends when nobody uses it; a command that runs is use", async () => {
    const work = await site.begin(wire, to("idle"));
    expect(saidBy(await work.bash("X=kept; sleep 2.5; echo $X"))).toBe("kept");
    const before = heldBy(site.stack).folders.length;
    await until("its end", () => heldBy(site.stack).folders.length < before, { within: 5_000 });
    const { status, message } = await work.bash("echo $X");
    if (wire === "2025-11-25") expect(status).toBe(404);
    else expect(message.result?.content?.[0]?.text).toMatch(/gone.*lost/);
  });

  it("ends for good in the middle of a command, which says so", async () => {
    const work = await site.begin(wire, to("wall"));
    const began = performance.now();
    const reply = await work.bash("sleep 3117");
    expect(performance.now() - began).toBeLessThan(8_000);
    expect(reply.text).toMatch(/lost|gone/);
    expect(running("sleep", "3117")).toEqual([]);
  });
});

describe.each(wires)("places, on the wire of %s", (wire) => {
  it("are counted for each agent: one too many is refused at once, and told by which setting", async () => {
    const first = await site.begin("2025-11-25", to("each"));
    const began = performance.now();
    const refused = await site.tryToBegin(wire, to("each"));
    expect(refused.text).toMatch(/slotsPerAgent/);
    expect(refused.text).not.toMatch(/sandbox: runner-1/);
    expect(performance.now() - began).toBeLessThan(3_000);
    const other = await site.asOther("each");
    const hers = await site.begin("2025-11-25", other);
    expect(saidBy(await hers.bash("echo hers"))).toBe("hers");
    await site.end({ ...other, handle: hers.handle });
    await site.end({ ...to("each"), handle: first.handle });
    const again = await until("a place", () => site.begin("2025-11-25", to("each")), {
      within: 5_000,
    });
    await site.end({ ...to("each"), handle: again.handle });
  });

  it("that are all taken make the next one wait: for a place, or to be told in time that there is none", async () => {
    const first = await until("a place", () => site.begin("2025-11-25", to("full")), {
      within: 10_000,
    });
    await first.bash("true");
    const began = performance.now();
    const refused = await site.tryToBegin(wire, to("full"));
    const waited = performance.now() - began;
    expect(refused.message.error).toMatchObject({
      message: expect.stringMatching(/no runner of pool full took the session in time/),
      data: { sallyport: { code: "unavailable", retryable: true } },
    });
    expect([waited > 3_500, waited < 8_000]).toEqual([true, true]);
    const waiting = site.begin("2025-11-25", to("full"));
    await site.end({ ...to("full"), handle: first.handle });
    const second = await waiting;
    expect(saidBy(await second.bash("echo mine"))).toBe("mine");
    await site.end({ ...to("full"), handle: second.handle });
  });
});

describe("a command that runs long", () => {
  it.each(["v1", "v2"] as const)(
    "tells how far it is, and is killed when client %s cancels it",
    async (version) => {
      const { client } = await (version === "v1" ? connectV1 : connectV2)(site.stack, to("box"));
      const seconds = version === "v1" ? "3131" : "3132";
      const stop = new AbortController();
      const said: string[] = [];
      const options = {
        signal: stop.signal,
        onprogress: ({ message = "" }: { message?: string | undefined }) => void said.push(message),
      };
      const params = { name: "bash", arguments: { command: `echo begun; sleep ${seconds}` } };
      const call =
        version === "v1"
          ? (client as Awaited<ReturnType<typeof connectV1>>["client"]).callTool(params, undefined, options)
          : (client as Awaited<ReturnType<typeof connectV2>>["client"]).callTool(params, options);
      call.catch(() => {});
      await until("progress", () => said.length >= 2, { within: 10_000 });
      expect(said.at(-1)).toMatch(/ s, \d+ bytes of output\nbegun/);
      expect(running("sleep", seconds)).toHaveLength(1);
      stop.abort();
      await expect(call).rejects.toThrow();
      await until("its end", () => running("sleep", seconds).length === 0, { within: 5_000 });
      await client.close();
    },
  );

  it.each(wires)("is killed when its agent goes away, on the wire of %s", async (wire) => {
    const work = await site.begin(wire, to("box"));
    const seconds = wire === "2025-11-25" ? "3141" : "3142";
    const gone = new AbortController();
    const call = send(
      site.stack,
      { ...to("box"), signal: gone.signal },
      work.post("bash", { command: `sleep ${seconds}` }),
    );
    call.then((response) => response.text()).catch(() => {});
    await until("the command", () => running("sleep", seconds).length === 1, { within: 5_000 });
    gone.abort();
    await until("its end", () => running("sleep", seconds).length === 0, { within: 5_000 });
    expect(saidBy(await work.bash("echo on"))).toBe("on");
  });

  it("is killed at its timeout, and what it said until then is told", async () => {
    const work = await site.begin("2025-11-25", to("box"));
    const { message } = await work.bash("echo early; sleep 3151", { timeout_ms: 700 });
    expect(message.result?.isError).toBe(true);
    expect(saidBy({ message })).toMatch(/early\n.*timed out after 700 ms/);
    expect(running("sleep", "3151")).toEqual([]);
  });
});

it.each(wires)("large output is shown by its ends, and whole in a file, on the wire of %s", async (wire) => {
  const work = await site.begin(wire, to("box"));
  const reply = await work.bash("echo first; seq 1 200000; echo last");
  const text = saidBy(reply);
  expect(text.length).toBeLessThan(150_000);
  expect([text.startsWith("first\n1\n2\n"), text.includes("\n200000\nlast")]).toEqual([true, true]);
  const [, file = ""] = /(\/[^\s\]]+)/.exec(text.slice(text.indexOf("["))) ?? [];
  expect(saidBy(await work.bash(`wc -l <${file}`))).toBe("200002");
  const binary = await work.bash("head -c 100 /dev/urandom; printf 'a\\0b\\377c'");
  expect(binary.status).toBe(200);
  expect(textOf(binary)).not.toBe("");
});

it("calls at once in one sandbox are counted: those too many are refused, the others run in turn", async () => {
  // Each request stands alone here: in a session they would need ids of their own.
  const work = await site.begin("2026-07-28", to("box"));
  const many = await Promise.all(Array.from({ length: 20 }, () => work.bash("sleep 0.2; echo done")));
  const texts = many.map(saidBy);
  expect(texts.filter((text) => text === "done").length).toBe(16);
  expect(texts.filter((text) => /too many calls at once/.test(text)).length).toBe(4);
  expect(saidBy(await work.bash("echo on"))).toBe("on");
});
