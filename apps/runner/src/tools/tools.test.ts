import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type LiveBench, liveBench } from "../mcp/tool-server.fixture.ts";
import { sandboxTools, type ToolCall, type ToolProgress } from "./tool.ts";

let bench: LiveBench;
beforeEach(async () => {
  bench = await liveBench();
});
afterEach(async () => {
  await bench[Symbol.asyncDispose]();
});

async function run(name: string, input: unknown, call: Partial<ToolCall> = {}) {
  const result = await sandboxTools
    .get(name)
    ?.run(bench, input, { signal: new AbortController().signal, ...call });
  const [block] = result?.content ?? [];
  return {
    text: block?.type === "text" ? block.text : "",
    isError: result?.isError,
    content: result?.content,
  };
}
const at = (path: string) => join(bench.folder, path);

describe("bash", () => {
  it("answers output, or says that there is none", async () => {
    expect(await run("bash", { command: "cd /; x=1; echo a; echo b >&2" })).toMatchObject({
      text: "a\nb",
      isError: false,
    });
    expect((await run("bash", { command: "pwd; echo $x" })).text).toBe("/\n1");
    expect((await run("bash", { command: "true" })).text).toBe("(no output)");
  });

  it("makes a code other than 0 an error, with the output or the code", async () => {
    expect(await run("bash", { command: "echo no; (exit 3)" })).toMatchObject({ text: "no", isError: true });
    expect(await run("bash", { command: "false" })).toMatchObject({ text: "exit 1", isError: true });
  });

  it("restarts alone or before a command, and wants one of the two", async () => {
    await run("bash", { command: "cd /" });
    expect(await run("bash", { restart: true })).toMatchObject({
      text: "bash session restarted",
      isError: false,
    });
    expect((await run("bash", { restart: true, command: "pwd" })).text).toBe(bench.folder);
    expect(await run("bash", {})).toMatchObject({ text: "bash: command is required", isError: true });
  });

  it("tells what was written before the time was over", async () => {
    const late = await run("bash", { command: "echo begun; sleep 300", timeout_ms: 200 });
    expect(late).toMatchObject({
      text: expect.stringMatching(/^begun\n\[bash: timed out after 200 ms/),
      isError: true,
    });
    expect((await run("bash", { command: "echo next" })).text).toBe("next");
  });

  it("says that the shell has ended", async () => {
    expect(await run("bash", { command: "exit 4" })).toMatchObject({
      text: expect.stringContaining("exit code 4"),
      isError: true,
    });
  });

  it("is killed by its signal, and rejects with its reason", async () => {
    const stop = new AbortController();
    const running = run("bash", { command: "sleep 300" }, { signal: stop.signal });
    const listed = async () => (await run("list_processes", {})).text.includes("sleep 300");
    await expect.poll(listed, { timeout: 10_000 }).toBe(true);
    stop.abort(new Error("enough"));
    await expect(running).rejects.toThrow("enough");
  });

  it("tells how far it is, with whole last lines and no escapes", async () => {
    const said: ToolProgress[] = [];
    const command = "for i in {1..200}; do echo line $i; done; printf '\\033[1mend\\n'; sleep 1.3";
    await run("bash", { command }, { progress: (one) => said.push(one) });
    expect(said.length).toBeGreaterThan(0);
    expect(said[0]?.tail).toMatch(/^line \d+\n.*\nend$/s);
    expect(said[0]?.bytes).toBeGreaterThan(1000);
  });

  it.each([{ command: 1 }, { command: "x", timeout_ms: 600_001 }, { command: "x", run_in_background: true }])(
    "refuses what is no input of its: %j",
    async (input) => {
      expect(await run("bash", input)).toMatchObject({
        text: expect.stringMatching(/^bash: /),
        isError: true,
      });
    },
  );
});

describe("read", () => {
  it("answers text, and lines of it", async () => {
    await writeFile(at("f"), "1\n2\n3\n");
    expect((await run("read", { file_path: "f" })).text).toBe("1\n2\n3\n");
    expect((await run("read", { file_path: "f", view_range: [2, 3] })).text).toBe("2\n3");
    expect((await run("read", { file_path: at("f"), view_range: [2, -1] })).text).toBe("2\n3\n");
  });

  it("of a file that is too large wants lines, also beyond the first piece, and not too many", async () => {
    const lines = Array.from({ length: 700_000 }, (_, i) => `line ${i + 1}`);
    await writeFile(at("f"), lines.join("\n"));
    expect(await run("read", { file_path: "f" })).toMatchObject({
      isError: true,
      text: expect.stringContaining("view_range"),
    });
    expect((await run("read", { file_path: "f", view_range: [650_000, 650_001] })).text).toBe(
      "line 650000\nline 650001",
    );
    expect(await run("read", { file_path: "f", view_range: [1, -1] })).toMatchObject({ isError: true });
  });

  it("looks for lines in a bounded part of a file", async () => {
    await run("bash", { command: "truncate -s 10G f" });
    await bench.files.write("g", Buffer.from("x"));
    expect(await run("read", { file_path: "f" })).toMatchObject({
      text: expect.stringContaining("binary file of 10737418240 bytes"),
    });
    // Its second line is there, and 72 MiB away.
    await run("bash", {
      command: "head -c 262144 /dev/zero | tr '\\0' x >h; truncate -s 72M h; echo >>h; echo end >>h",
    });
    expect(await run("read", { file_path: "h", view_range: [2, 2] })).toMatchObject({
      isError: true,
      text: "read: h: lines are looked for in the first 67108864 bytes, and line 1 goes on after them; use bash",
    });
  });

  it("shows a picture, tells a binary file by its size, and marks what is no UTF-8", async () => {
    const png = Buffer.concat([Buffer.from("\x89PNG\r\n\x1a\n", "latin1"), Buffer.alloc(100)]);
    await writeFile(at("a.txt"), png);
    expect((await run("read", { file_path: "a.txt" })).content).toEqual([
      { type: "image", data: png.toString("base64"), mimeType: "image/png" },
    ]);
    await writeFile(at("large.png"), Buffer.concat([png, Buffer.alloc(3_750_000)]));
    expect(await run("read", { file_path: "large.png" })).toMatchObject({ isError: true });
    await writeFile(at("bin"), Buffer.alloc(77));
    expect(await run("read", { file_path: "bin" })).toMatchObject({
      text: expect.stringContaining("77 bytes"),
      isError: true,
    });
    await writeFile(at("latin"), Buffer.from("caf\xe9 \x1b[31m", "latin1"));
    const { text, content } = await run("read", { file_path: "latin" });
    expect(text).toBe("caf\ufffd ␛[31m");
    expect(content).toHaveLength(2);
    // A terminal takes C1 controls for escapes too, and DEL for a key.
    await writeFile(at("c1"), "a\tb\x7fc\u009b31m\r\n");
    expect(await run("read", { file_path: "c1" })).toMatchObject({ text: "a\tb␡c\ufffd31m\r\n" });
  });

  it("says why a path can't be read", async () => {
    for (const file_path of ["none", ".", "/dev/zero", "a\0b", ""])
      expect(await run("read", { file_path })).toMatchObject({
        isError: true,
        text: expect.stringMatching(/^read: /),
      });
    expect((await run("read", { file_path: "a\0b" })).text).toContain("a path holds no NUL");
    expect((await run("read", { file_path: "x".repeat(4_097) })).text).toContain("4096");
  });
});

describe("write and edit", () => {
  it("write a file with its folders, and change one place of it", async () => {
    expect((await run("write", { file_path: "a/b", content: "ä x x" })).text).toBe("wrote 6 bytes to a/b");
    expect((await run("edit", { file_path: "a/b", old_string: "ä", new_string: "$&" })).text).toBe(
      "edited a/b (1 replacement(s))",
    );
    expect(await run("edit", { file_path: "a/b", old_string: "x", new_string: "y" })).toMatchObject({
      isError: true,
      text: expect.stringContaining("appears 2 times"),
    });
    expect(await run("edit", { file_path: "a/b", old_string: "q", new_string: "y" })).toMatchObject({
      isError: true,
    });
    await run("edit", { file_path: "a/b", old_string: "x", new_string: "y", replace_all: true });
    expect(await readFile(at("a/b"), "utf8")).toBe("$& y y");
  });

  it("leave bytes that are no UTF-8 alone", async () => {
    await writeFile(at("f"), Buffer.from("\xe9 old", "latin1"));
    await run("edit", { file_path: "f", old_string: "old", new_string: "new" });
    expect(await readFile(at("f"), "latin1")).toBe("\xe9 new");
  });

  it("know how much it would be before they make it", async () => {
    await writeFile(at("f"), "x".repeat(262_144));
    const input = { file_path: "f", old_string: "x", new_string: "y".repeat(100_000), replace_all: true };
    expect(await run("edit", input)).toMatchObject({
      isError: true,
      text: expect.stringContaining("4194304"),
    });
    await writeFile(at("g"), `y${"x".repeat(262_144)}`);
    expect(await run("edit", { file_path: "g", old_string: "y", new_string: "" })).toMatchObject({
      isError: true,
      text: expect.stringContaining("at most 262144"),
    });
  });
});

describe("searches and processes", () => {
  it("find names and lines, with absolute paths", async () => {
    await run("write", { file_path: "src/a.ts", content: "one\nconst x = 42;\n" });
    expect((await run("glob", { pattern: "**/*.{ts,js}" })).text).toBe(at("src/a.ts"));
    expect((await run("grep", { pattern: "(?:const|let) \\w+? = \\d+" })).text).toBe(
      `${at("src/a.ts")}:2:const x = 42;`,
    );
    expect((await run("grep", { pattern: "(?i)CONST", path: "src" })).text).toContain(":2:");
    expect((await run("grep", { pattern: "nowhere" })).text).toBe("no matches");
    expect((await run("glob", { pattern: "*.md" })).text).toBe("no matches");
  });

  it("show names, lines and commands without what a terminal would obey", async () => {
    await writeFile(at("a\x1b[31m.txt"), "found\x1b[2J\n");
    expect((await run("glob", { pattern: "*.txt" })).text).toBe(at("a␛[31m.txt"));
    expect((await run("grep", { pattern: "found" })).text).toBe(`${at("a␛[31m.txt")}:1:found␛[2J`);
    await run("bash", { command: "(exec -a $'x\\e[31m' sleep 302) &" });
    await expect.poll(async () => (await run("list_processes", {})).text).toContain("x␛[31m 302");
  });

  it("say when there is more than they show", async () => {
    await run("bash", { command: "touch f{1..201}; for i in {1..1200}; do printf 'x%099d\\n' 0; done >g" });
    const names = (await run("glob", { pattern: "f*" })).text.split("\n");
    expect([names.length, names.at(-1)]).toEqual([201, expect.stringContaining("there is more")]);
    const { text } = await run("grep", { pattern: "^x", path: "g" });
    expect(text).toMatch(/\n\[output truncated at 102400 bytes\]$/);
    expect(text.length).toBeLessThan(103_000);
    await run("bash", { command: "for i in {1..201}; do sleep 303 & done" });
    const processes = (await run("list_processes", {})).text.split("\n");
    expect([processes.length, processes.at(-1)]).toEqual([
      202,
      expect.stringMatching(/\d with lower pids are not shown/),
    ]);
  });

  it("say what they do not know", async () => {
    for (const pattern of ["(?=x)", "(a)\\1", "(", "a\nb"])
      expect(await run("grep", { pattern })).toMatchObject({ isError: true });
    expect(await run("glob", { pattern: "{a,b}".repeat(9) })).toMatchObject({ isError: true });
  });

  it("list a background job and end it", async () => {
    const { text: pid } = await run("bash", { command: "sleep 301 & echo $!" });
    expect((await run("list_processes", {})).text).toContain(`${pid} `);
    expect((await run("kill_process", { pid: Number(pid), signal: "KILL" })).text).toBe(
      `sent SIGKILL to ${pid}`,
    );
    expect(await run("kill_process", { pid: 1 })).toMatchObject({
      isError: true,
      text: expect.stringContaining("pid"),
    });
  });
});
