import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chmod, chown, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { impassable, reachableBubblewrap } from "@sallyport/isolation";
import { type AnotherUser, anotherUser, findTool } from "@sallyport/testkit";
import { buildPrograms } from "./programs.ts";
import type { BoundaryReport } from "./run-boundary.ts";
import { runnerCommand } from "./runner-command.ts";

export interface RunnerOptions {
  readonly uid?: number;
  readonly only?: readonly number[];
  /** Before `node`: another sandbox to run in. */
  readonly within?: (bwrap: string) => readonly string[];
}

/** The list, run by a process of its own that has canaries. What it says to stderr is told with a failure. */
export async function runList({ uid, only, within }: RunnerOptions = {}): Promise<BoundaryReport> {
  const draw = randomBytes(4);
  const folder = await mkdtemp(join(await openToAll(), "sallyport-boundary-"));
  await chmod(folder, 0o711);
  const bwrap = await reachableBubblewrap(await findTool("bwrap"), folder);
  const secret = randomBytes(24).toString("hex");
  const canaryFile = join(folder, "canary");
  await writeFile(canaryFile, secret, { mode: 0o600 });
  const cacheFolder = fileURLToPath(new URL("../../../.cache/sandbox-agent", import.meta.url));
  const own = join(folder, "runner");
  await mkdir(own, { mode: 0o711 });
  if (uid !== undefined) for (const each of [canaryFile, own]) await chown(each, uid, uid);
  const root = process.geteuid?.() === 0 && uid === undefined && within === undefined;
  const options = {
    driver: {
      bwrap,
      name: `boundary-${draw.toString("hex")}`,
      state: join(own, "state"),
      ...(root ? { uids: { first: 1_000_000 + draw.readUInt16BE(0) * 64, count: 64 } } : {}),
    },
    folder: join(own, "list"),
    programs: await buildPrograms({ cacheFolder, folder }),
    canary: { secret, planted: true },
    ...(only ? { only } : {}),
  };
  const fixture = fileURLToPath(new URL("./run-list.fixture.ts", import.meta.url));
  const { through, seen } = uid === undefined ? ourselves : await anotherUser(uid, folder);
  const node = [seen(process.execPath), "--disable-warning=ExperimentalWarning", seen(fixture)];
  const runner = runnerCommand([...(within?.(bwrap) ?? []), ...node, JSON.stringify(options)], {
    secret,
    canaryFile,
  });
  const [command = "", ...args] = [...through, runner.command, ...runner.args];
  try {
    const child = spawn(command, args, { env: runner.env, cwd: "/" });
    const said = { out: "", err: "" };
    child.stdout.on("data", (chunk: Buffer) => {
      said.out += chunk;
    });
    child.stderr.on("data", (chunk: Buffer) => {
      said.err = (said.err + chunk).slice(-4_000);
    });
    const code = await new Promise((done, fail) => child.once("error", fail).once("close", done));
    if (code !== 0) throw new Error(`the runner ended with ${code}: ${said.err}`);
    return JSON.parse(said.out) as BoundaryReport;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

const ourselves: AnotherUser = { through: [], seen: (path) => path };

const openToAll = async (): Promise<string> =>
  (await impassable(tmpdir())) === undefined ? tmpdir() : "/var/tmp";
