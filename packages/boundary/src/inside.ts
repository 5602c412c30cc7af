import type { Sandbox, Usage } from "@sallyport/isolation";
import { type ExecRequest, SandboxClient, SandboxFiles } from "@sallyport/sandbox-agent";
import { type Try, tried } from "./attack.ts";

const mostOutput = 262_144;
const environment = { PATH: "/usr/local/bin:/usr/bin:/bin", HOME: "/tmp/home", LANG: "C.UTF-8" };

export interface Ran {
  /** Exit code, or 128 and the signal. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** One sandbox in the attacker's hands: whatever is run here runs inside, by the sandbox's own agent. */
export interface Inside {
  readonly sandbox: Sandbox;
  readonly client: SandboxClient;
  readonly files: SandboxFiles;
  run(argv: readonly string[], change?: Partial<ExecRequest>): Promise<Ran>;
  /** What a piece of Perl prints, after the words of `perl.ts`. */
  perl(code: string, ...args: readonly string[]): Promise<string>;
  /** Each line of a group of `inside/attack.c`, judged. A list that was cut short is one try that failed. */
  attack(args: readonly string[], expected: RegExp | ((what: string) => RegExp)): Promise<readonly Try[]>;
  destroy(): Promise<Usage>;
}

export interface InsideParts {
  readonly sandbox: Sandbox;
  /** Of the program of `inside/attack.c`. */
  readonly program: Uint8Array;
  readonly perlWords: string;
}

export function insideOf({ sandbox, program, perlWords }: InsideParts): Inside {
  const client = new SandboxClient(sandbox.socket);
  const files = new SandboxFiles(client, { cwd: "/workspace" });
  let placed: Promise<void> | undefined;
  const run = async (argv: readonly string[], change: Partial<ExecRequest> = {}): Promise<Ran> => {
    const exec = await client.exec({ argv, cwd: "/workspace", env: environment, ...change });
    const said = { stdout: "", stderr: "" };
    for await (const { stream, data } of exec.output()) {
      said[stream] += data.toString("utf8");
      if (said[stream].length > mostOutput) break;
    }
    const exit = await exec.exit;
    return { ...said, code: "code" in exit ? exit.code : 128 + exit.signal };
  };
  return {
    sandbox,
    client,
    files,
    run,
    async perl(code, ...args) {
      const { stdout, stderr, code: exit } = await run(["perl", "-e", perlWords + code, ...args]);
      return exit === 0 ? stdout : `${stdout} (exit ${exit}: ${stderr.slice(0, 300)})`;
    },
    async attack(args, expected) {
      placed ??= files.write("/tmp/attack", program, { mode: 0o755 });
      await placed;
      const { stdout, code } = await run(["/tmp/attack", ...args]);
      return linesOf(stdout, code, typeof expected === "function" ? expected : () => expected);
    },
    destroy: () => sandbox.destroy(),
  };
}

/** Pure. `what: outcome` for each line, then `end: COUNT`. */
export function linesOf(text: string, code: number, expected: (what: string) => RegExp): readonly Try[] {
  const lines = text.trimEnd().split("\n");
  const [, count] = /^end: (\d+)$/.exec(lines.pop() ?? "") ?? [];
  if (count === undefined || Number(count) !== lines.length || lines.length === 0)
    return [{ what: "the whole list", saw: `cut short, code ${code}: ${text.slice(-200)}`, held: false }];
  return lines.map((line) => {
    const [what = "", saw = ""] = line.split(/: (.*)/s);
    return tried(what, saw, expected(what));
  });
}
