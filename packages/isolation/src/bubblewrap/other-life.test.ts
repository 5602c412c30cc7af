import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { chmod, readdir, readFile, readlink, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { type AnotherUser, anotherUser, findTool, leakCheck, until } from "@sallyport/testkit";
import { afterAll, describe, expect, it } from "vitest";
import type { Capabilities } from "../capabilities.ts";
import { insideAgent } from "../probe/inside.ts";
import { bubblewrapDriver } from "./driver.ts";
import { reachableBubblewrap } from "./reachable.ts";
import { isRoot, MiB, openWorld, passableFolder } from "./world.fixture.ts";

afterAll(leakCheck);

/** Another user, of whom nothing else runs. */
const nobodyElse = 1_999_999_001;

const ourselves: AnotherUser = { through: [], seen: (path) => path };

interface Runner {
  readonly process: ChildProcess;
  readonly line: Promise<string>;
}

function startRunner(
  task: string,
  args: readonly unknown[],
  { through, seen }: AnotherUser = ourselves,
): Runner {
  const main = fileURLToPath(new URL("./run-driver.fixture.ts", import.meta.url));
  const node = [seen(process.execPath), seen(main), task, ...args.map((each) => JSON.stringify(each))];
  const [command = "", ...rest] = [...through, ...node];
  const child = spawn(command, rest, {
    env: { CANARY: "a secret of the runner" },
    cwd: "/",
    // Number 50 is one that its sandboxes must not inherit; Node itself closes the first few.
    stdio: ["ignore", "pipe", "inherit", ...Array<"ignore">(47).fill("ignore"), "pipe"],
  });
  return {
    process: child,
    line: once(createInterface(child.stdout ?? process.stdin), "line").then(([line]) => String(line)),
  };
}

const sandboxesOf = async (agent: string): Promise<number> => {
  const lines = await Promise.all(
    (await readdir("/proc"))
      .filter((name) => /^\d+$/.test(name))
      .map((pid) => readFile(`/proc/${pid}/mountinfo`, "utf8").catch(() => "")),
  );
  return lines.filter((text) => text.includes(agent)).length;
};

/** What starts a runner's sandboxes: its processes that are no sandbox. */
const launchersOf = async (pid: number | undefined): Promise<readonly string[]> => {
  const all = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    all.map(async (each) => {
      const stat = await readFile(`/proc/${each}/stat`, "utf8").catch(() => "");
      return new RegExp(`\\(perl\\) [^ZX] ${pid} `).test(stat) ? [each] : [];
    }),
  );
  return found.flat();
};

describe.skipIf(!isRoot)("a runner that was killed (skipped: this is not root)", () => {
  it("takes its sandboxes with it, and its next life puts away the rest", async () => {
    const world = await openWorld();
    const options = {
      ...world.options,
      name: `${world.options.name}-k`,
      state: join(world.folder, "killed"),
    };
    const runner = startRunner("hold", [options, { ...world.spec, workspace: { bytes: MiB, inodes: 10 } }]);
    try {
      const { id } = JSON.parse(await runner.line) as { id: string };
      const agent = world.spec.agent.file;
      await until("the sandbox has begun", async () => (await sandboxesOf(agent)) > 0, { within: 5_000 });
      const launchers = await launchersOf(runner.process.pid);
      expect(launchers).toHaveLength(2);
      for (const launcher of launchers) {
        const held = (await readdir(`/proc/${launcher}/fd`)).map((each) =>
          readlink(`/proc/${launcher}/fd/${each}`),
        );
        // Nothing that its starter left open in it, which it would hold open beyond its end: but for the three, signals,
        // and what its sandbox may say.
        const kinds = (await Promise.all(held)).map((each) => each.replace(/:.*/, "")).sort();
        expect(kinds.filter((each) => each !== "pipe")).toEqual([
          "/dev/null",
          "anon_inode",
          "socket",
          "socket",
        ]);
        expect(await readFile(`/proc/${launcher}/environ`, "utf8")).toBe("");
      }
      runner.process.kill("SIGKILL");
      await until("the sandbox is gone", async () => (await sandboxesOf(agent)) === 0, { within: 5_000 });
      const gone = (): boolean => launchers.every((each) => !existsSync(`/proc/${each}`));
      await until("what started it is gone", gone, { within: 5_000 });
      expect(await readFile("/proc/self/mountinfo", "utf8")).toContain(id);
      const next = await bubblewrapDriver(options);
      const living = await next.create(world.spec);
      expect(await next.reap()).toBe(1);
      expect(await next.reap()).toBe(0);
      expect(await readdir(join(options.state, "sandboxes"))).toEqual([living.id]);
      expect(await readFile("/proc/self/mountinfo", "utf8")).not.toContain(id);
      expect(await launchersOf(process.pid)).toHaveLength(2);
      await next.close();
      expect(await launchersOf(process.pid)).toEqual([]);
      expect(await readFile("/proc/self/mountinfo", "utf8")).not.toContain(living.id);
    } finally {
      runner.process.kill("SIGKILL");
      // A failure here must not hide the test's own, nor leave its mounts.
      const last = await bubblewrapDriver(options);
      await last.reap();
      await last.close();
      await world.close();
    }
  });
});

describe.skipIf(!isRoot)("a runner that is not root (skipped: there is no root to make another user)", () => {
  it("isolates as well, declares what it lacks, and refuses a spec that needs it", async () => {
    const folder = await passableFolder();
    await chmod(folder, 0o777);
    await writeFile(join(folder, "agent"), insideAgent, { mode: 0o755 });
    const bwrap = await reachableBubblewrap(await findTool("bwrap"), folder);
    const options = { bwrap, name: "other", state: join(folder, "state") };
    const spec = {
      agent: { file: join(folder, "agent") },
      workspace: { bytes: MiB },
      temporaryBytes: MiB,
      limits: { memoryBytes: 64 * MiB },
    };
    try {
      const { line, process: runner } = startRunner(
        "probe",
        [options, spec],
        await anotherUser(nobodyElse, folder),
      );
      const { capabilities, refusal } = JSON.parse(await line) as {
        capabilities: Capabilities;
        refusal: unknown;
      };
      if (runner.exitCode === null) await once(runner, "exit");
      expect(capabilities.class).toEqual({ user: "shared-uid", limits: "prlimit", workspace: "tmpfs" });
      const unproven = capabilities.checks.filter(({ proven }) => !proven);
      expect(unproven.map(({ protects }) => protects).sort()).toEqual([
        "limits.cpus",
        "limits.memoryBytes",
        "workspace.base",
        "workspace.inodes",
      ]);
      expect(refusal).toMatchObject({ code: "refused", field: "limits.memoryBytes" });
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
