import { readFile } from "node:fs/promises";
import { until } from "@sallyport/testkit";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { SandboxFiles } from "./files.ts";
import { type LiveAgent, startAgent } from "./live-agent.fixture.ts";
import { type CommandOptions, PersistentShell } from "./persistent-shell.ts";

let agent: LiveAgent;
let shell: PersistentShell;
beforeEach(async () => {
  agent = await startAgent();
  const { client, folder } = agent;
  const env = { PATH: "/usr/local/bin:/usr/bin:/bin" };
  const options = { cwd: folder, env, spillFolder: folder };
  shell = new PersistentShell(client, new SandboxFiles(client, { cwd: folder }), options);
});
afterEach(async () => {
  await agent[Symbol.asyncDispose]();
});
const text = async (command: string, options?: CommandOptions) => (await shell.run(command, options)).text;
async function isGone(pid: number): Promise<boolean> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  return stat === "" || / [ZX] /.test(stat);
}

describe("a shell", () => {
  it("keeps its folder, variables and functions from command to command", async () => {
    await shell.run("mkdir d; cd d; x='a b'; f() { echo \"f $1\"; }");
    expect(await text('pwd; f "$x"')).toBe(`${agent.folder}/d\nf a b`);
  });

  it("tells the exit code, and joins stderr in the order of writing", async () => {
    expect(await shell.run("echo 1; echo 2 >&2; echo 3; (exit 7)")).toEqual({
      text: "1\n2\n3",
      bytes: 6,
      end: "done",
      exitCode: 7,
    });
    expect(await shell.run("true")).toMatchObject({ text: "(no output)", exitCode: 0 });
  });

  it("gives a command no input, so that it can't eat what comes next", async () => {
    expect(await text("cat; read x; echo after")).toBe("after");
    expect(await text("echo next")).toBe("next");
  });

  it.each(["echo 'open", "if true", "cat <<X", ")", "echo \\"])(
    "survives a command that is no whole one: %s",
    async (command) => {
      await shell.run(command, { timeoutMs: 5_000 });
      expect(await shell.run("echo still")).toMatchObject({ text: "still", end: "done" });
    },
  );

  it("runs commands one after the other, each with its own output", async () => {
    const all = await Promise.all(
      ["sleep 0.05; echo 1", "echo 2", "printf 3"].map((command) => text(command)),
    );
    expect(all).toEqual(["1", "2", "3"]);
  });

  it("lets a background job run on without waiting for it, and drops what it writes later", async () => {
    const first = await text("(sleep 0.1; echo late; touch written) & echo $!");
    await until("the job has written", () => isGone(Number(first)), { within: 5_000 });
    expect(await text("ls")).toBe("written");
    expect(await text("setsid sleep 300 & echo held")).toBe("held");
  });

  it("is not lost when a command redirects it for good", async () => {
    await shell.run("exec > gone");
    expect(await text("echo here")).toBe("here");
  });

  it("that was ended by its command tells the code, and the next command gets a new one", async () => {
    await shell.run("x=1");
    expect(await shell.run("echo bye; exit 3")).toMatchObject({
      text: "bye",
      end: "shell-exited",
      exitCode: 3,
    });
    expect(await text('echo "[$x]"')).toBe("[]");
    expect(await shell.run("kill -9 $$")).toMatchObject({ end: "shell-exited", exitCode: 137 });
  });

  it("starts anew when it is told to", async () => {
    const job = Number(await text("cd /; x=1; sleep 300 & echo $!"));
    await shell.restart();
    await until("the job is gone", () => isGone(job), { within: 5_000 });
    expect(await text('pwd; echo "[$x]"')).toBe(`${agent.folder}\n[]`);
  });
});

it("a restart does not wait for a command that hangs", async () => {
  const hanging = shell.run("echo begun; sleep 300", { onProgress: () => void shell.restart() });
  expect(await hanging).toMatchObject({ end: "shell-exited", exitCode: 137 });
  expect(await text("echo next")).toBe("next");
});

describe("a command that takes too long", () => {
  it("is killed with its session; what it wrote is told, and the next gets a new shell", async () => {
    const result = await shell.run("cd /; echo $$; sleep 300 | cat", { timeoutMs: 200 });
    expect(result).toMatchObject({ end: "timeout" });
    await until("the shell is gone", () => isGone(Number(result.text)), { within: 5_000 });
    expect(await text("pwd")).toBe(agent.folder);
  });

  it("is killed when the caller gives up", async () => {
    const abort = new AbortController();
    const running = shell.run("echo $$; exec sleep 300", {
      signal: abort.signal,
      onProgress: () => abort.abort(),
    });
    expect(await running).toMatchObject({ end: "aborted" });
    expect(await shell.run("true", { signal: AbortSignal.abort() })).toMatchObject({ end: "aborted" });
  });

  it("is killed when the caller gives up while its shell is starting", async () => {
    const abort = new AbortController();
    const running = shell.run("exec sleep 300", { signal: abort.signal });
    await Promise.resolve().then(() => {});
    abort.abort();
    expect(await running).toMatchObject({ end: "aborted" });
  });
});

describe("output", () => {
  it("of more than 100,000 bytes is in a file, and its head and tail are shown", async () => {
    const { text, spilled = "", bytes } = await shell.run("seq 1 100000; echo last");
    const whole = await readFile(spilled, "utf8");
    expect(whole.length).toBe(bytes);
    expect(whole.endsWith("100000\nlast\n")).toBe(true);
    expect(text.startsWith("1\n2\n3\n")).toBe(true);
    expect(text.endsWith("100000\nlast")).toBe(true);
    expect(text).toContain(`[output truncated: ${bytes} bytes in all; the whole output is in ${spilled}]`);
    expect(text.length).toBeLessThan(101_000);
  });

  it("of a flood stays in bounds, whatever becomes of the file", async () => {
    const { text, bytes, spilled } = await shell.run("head -c 80000000 /dev/zero");
    expect([bytes, spilled]).toEqual([80_000_000, undefined]);
    expect(text.length).toBeLessThan(101_000);
    expect(text).toContain("the rest was not kept");
  });

  it("that is binary is told by its size", async () => {
    expect(await text("head -c 3000 /dev/zero")).toBe("[binary output of 3000 bytes, not shown]");
  });

  it("cut in the middle has no half characters, and no 8-bit escapes", async () => {
    const { text: shown } = await shell.run("printf 'x'; for i in {1..40000}; do printf '€€'; done");
    expect(shown).not.toContain("\ufffd");
    expect(await text("printf 'a\\302\\23331mb\\a\\bc'")).toBe("abc");
  });

  it("loses terminal escapes, NUL and what is no UTF-8, and keeps the rest", async () => {
    expect(await text("printf '\\033[31mred\\033[0m \\033]0;title\\007a\\0b \\377 ä\\n\\n\\n'")).toBe(
      "red a\ufffdb \ufffd ä",
    );
  });
});

it("a command that can't be given to a shell is refused", async () => {
  await expect(shell.run("a\0b")).rejects.toThrow(RangeError);
  await expect(shell.run("x".repeat(262_145))).rejects.toThrow(RangeError);
});
