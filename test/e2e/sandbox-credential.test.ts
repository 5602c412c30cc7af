import { closeSync, lstatSync, openSync, readdirSync, readFileSync, readSync, statSync } from "node:fs";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { NatsConnection } from "@nats-io/transport-node";
import { FORM_NAMES } from "@sallyport/example-servers";
import { leakCheck, until } from "@sallyport/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { wires } from "./call.fixture.ts";
import { processTree } from "./processes.fixture.ts";
import {
  type Caller,
  ordersToken,
  type SandboxSite,
  saidBy,
  startSandboxSite,
  type Work,
} from "./sandbox.fixture.ts";
import { agentAmong, heldBy, placeOf, without } from "./sandbox-remains.fixture.ts";
import { secretSearch } from "./secret-search.fixture.ts";
import { filesOf, rowsOf, tapAll } from "./traces.fixture.ts";

afterAll(leakCheck);

const search = secretSearch({ token: ordersToken });
let site: SandboxSite;
let agent: Caller;
let tap: NatsConnection;
/** Every message that passed NATS, subject, headers and payload. */
const carried: string[] = [];
/** Everything that the agent got, headers and bodies. */
const received: string[] = [];
/** What can be read inside, as the host sees it: environments, memory and files of each sandbox. */
const inside = { environments: [] as Found[], memory: [] as Found[], files: [] as Found[] };
let ran: { commandLine: string; environment: string }[];
/** What stands for the token inside. */
const placeholders: string[] = [];

type Found = readonly [where: string, bytes: Uint8Array];

beforeAll(async () => {
  site = await startSandboxSite({ pools: { box: {} } });
  agent = site.to("box");
  tap = await tapAll(site.stack, { into: carried, mayPublish: "tap.nothing" });
  for (const wire of wires) {
    const before = heldBy(site.stack);
    const work = await site.begin(wire, agent);
    await useEverywhere(work);
    lookInside(without(heldBy(site.stack), before).processes);
  }
  const { stack } = site;
  ran = processTree([...stack.zones.values(), stack.nats].map(({ pid }) => pid));
  // Of every command: a runner's spans come in the order in which they ended, and a gate's ends after all in it.
  const gates = () => rowsOf(stack).filter((row) => row.includes("gate tools/call bash"));
  await until("the spans", () => gates().length >= received.length, { within: 15_000, every: 200 });
}, 120_000);
afterAll(async () => {
  await tap?.close();
  await site?.stop();
});

/** The API asked with the placeholder for the token in every spelling, and what came is kept in files and variables. */
async function useEverywhere(work: Work): Promise<void> {
  const bash = async (command: string): Promise<string> => {
    const reply = await work.bash(command);
    received.push(`${reply.status} ${JSON.stringify([...reply.headers])} ${reply.text}`);
    return saidBy(reply);
  };
  placeholders.push(await bash("echo $ORDERS_TOKEN"));
  const curl = 'curl -sS -i -m 20 -H "Authorization: Bearer $ORDERS_TOKEN"';
  for (const form of FORM_NAMES)
    await bash(
      `KEPT_${received.length}="$(${curl} $ORDERS/echo/${encodeURIComponent(form)} | tee -a answers)"; cat answers`,
    );
  await bash(`${curl} --compressed $ORDERS/A-1; ${curl} $ELSEWHERE/A-1; ${curl} $ORDERS/../other`);
  await bash(
    `${curl} -v $ORDERS/A-1 2>&1; curl -sS -m 20 -u "x:$ORDERS_TOKEN" $ORDERS/A-1; curl -sS -m 20 "$ORDERS?t=$ORDERS_TOKEN"`,
  );
  await bash(
    "env; set; tr '\\0' '\\n' </proc/self/environ; cat /proc/*/environ /proc/*/cmdline 2>/dev/null | base64 -w0",
  );
  await bash(
    "find / -xdev -type f -readable -newer /workspace/answers -not -path '/proc/*' 2>/dev/null; sleep 3333 & true",
  );
}

function lookInside(pids: readonly number[]): void {
  expect(pids.length).toBeGreaterThanOrEqual(3);
  for (const pid of pids) {
    inside.environments.push([`environ of ${pid}`, readFileSync(`/proc/${pid}/environ`)]);
    inside.memory.push(...memoryOf(pid));
  }
  const root = `/proc/${agentAmong(pids)}/root`;
  for (const folder of ["workspace", "tmp", "run", "etc", "home", "dev/shm"]) {
    for (const path of filesBelow(join(root, folder))) inside.files.push([path, readFileSync(path)]);
  }
}

/** What a process has written into its memory. */
function memoryOf(pid: number): Found[] {
  const maps = readFileSync(`/proc/${pid}/maps`, "utf8").split("\n");
  const memory = openSync(`/proc/${pid}/mem`, "r");
  try {
    return maps.flatMap((line) => {
      const [, from = "", to = ""] = /^([0-9a-f]+)-([0-9a-f]+) rw/.exec(line) ?? [];
      const [start, size] = [Number.parseInt(from, 16), Number.parseInt(to, 16) - Number.parseInt(from, 16)];
      if (!(size > 0 && size <= 256 * 1024 ** 2)) return [];
      const bytes = Buffer.alloc(size);
      const read = readSync(memory, bytes, 0, size, start);
      return [[`memory of ${pid}`, bytes.subarray(0, read)] as const];
    });
  } finally {
    closeSync(memory);
  }
}

/** Symbolic links are not followed: they would lead to the host's own files. */
function filesBelow(folder: string): string[] {
  if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) return [];
  // What a folder says of a mount point is what lies below it: the door is a socket.
  return readdirSync(folder, { recursive: true, encoding: "utf8" })
    .map((name) => join(folder, name))
    .filter((path) => lstatSync(path, { throwIfNoEntry: false })?.isFile() === true);
}

const findings = (found: readonly (readonly [string, Uint8Array | string])[]) =>
  found.flatMap(([where, bytes]) => search(bytes).map((spelling) => `${where}: ${spelling}`));
const numbered = (texts: readonly string[]) => texts.map((text, at) => [String(at), text] as const);
/** Where what stands for the token is: what is searched there would be found. */
const withPlaceholder = (found: readonly Found[]) =>
  found.filter(([, bytes]) => placeholders.some((value) => Buffer.from(bytes).includes(value)));

describe("after sessions on both wires that used a placeholder everywhere, the credential", () => {
  it("did reach the API, and the placeholder did not", () => {
    const right = site.orders.seen.filter(({ authorization }) => authorization === `Bearer ${ordersToken}`);
    expect(right.length).toBeGreaterThanOrEqual(2 * (FORM_NAMES.length + 2));
    expect(new Set(placeholders).size).toBe(2);
    for (const value of placeholders) {
      expect(value).toMatch(/^sbx_/);
      expect(JSON.stringify(site.orders.seen)).not.toContain(value);
    }
  });

  it("is in nothing that the agent received, though the API gave it back in every spelling", () => {
    expect(findings(numbered(received))).toEqual([]);
    expect(received.filter((text) => text.includes("redacted")).length).toBeGreaterThan(20);
    expect(received.join()).toContain("A-1001");
  });

  it("is in no environment, no memory and no file of a sandbox", () => {
    for (const [what, found] of Object.entries(inside)) {
      expect(findings(found), what).toEqual([]);
      expect([what, withPlaceholder(found).length > 0 || what === "files"]).toEqual([what, true]);
    }
    const answers = inside.files.filter(([path]) => path.endsWith("/workspace/answers"));
    expect(answers).toHaveLength(2);
    for (const [, bytes] of answers) expect(Buffer.from(bytes).toString()).toContain("redacted");
  });

  it("is in no message that passed NATS", () => {
    for (const subject of ["audit.v1.runner.", "telemetry.v1.", "broker.v1.", "presence.v1.", "work."])
      expect([subject, carried.some((message) => message.includes(subject))]).toEqual([subject, true]);
    expect(findings(numbered(carried))).toEqual([]);
    for (const value of placeholders) expect(carried.join()).not.toContain(value);
  });

  it("is in no span and no other row of the collector's store", () => {
    const rows = rowsOf(site.stack);
    expect(rows.length).toBeGreaterThan(50);
    expect(findings(numbered(rows))).toEqual([]);
    expect(rows.join()).toContain(`egress GET elsewhere.internal`);
  });

  it("is in no log and no other file of a zone, of NATS, of the issuer or of the runner's sandboxes", async () => {
    const paths = [...(await filesOf(site.stack)), ...filesBelow(placeOf(site.stack).state)];
    for (const name of ["runner-runner-1.log", "edge-edge-1.log", "telemetry.sqlite"])
      expect([name, paths.some((path) => path.endsWith(name))]).toEqual([name, true]);
    expect(paths.some((path) => path.endsWith("workspace/answers") || path.endsWith("upper/answers"))).toBe(
      true,
    );
    expect(findings(paths.map((path) => [path, readFileSync(path)]))).toEqual([]);
  });

  it("is in no command line and no environment of any process of the site, sandboxes among them", () => {
    expect(ran.some(({ commandLine }) => commandLine.includes("3333"))).toBe(true);
    expect(ran.length).toBeGreaterThan(10);
    expect(findings(ran.map((one) => [one.commandLine, `${one.commandLine} ${one.environment}`]))).toEqual(
      [],
    );
  });
});

it.each(wires)(
  "one that came into a sandbox in another way leaves it in no answer, on the wire of %s",
  async (wire) => {
    const before = heldBy(site.stack);
    const work = await site.begin(wire, agent);
    await work.bash('curl -sS -H "Authorization: Bearer $ORDERS_TOKEN" $ORDERS/A-1');
    const root = `/proc/${agentAmong(without(heldBy(site.stack), before).processes)}/root`;
    await writeFile(join(root, "workspace/leaked"), `found: ${ordersToken}\n`, { mode: 0o644 });
    for (const reply of [
      await work.bash("cat leaked"),
      await work.bash("base64 leaked; xxd -p leaked; od -An -tx1 leaked; echo done"),
      await work.call("read", { file_path: "leaked" }),
      await work.call("grep", { pattern: "found", output_mode: "content" }),
    ]) {
      expect(search(reply.text)).toEqual([]);
      expect(saidBy(reply).length).toBeGreaterThan(5);
    }
    expect(saidBy(await work.bash("cat leaked"))).toMatch(/^found: .*redacted/);
    // The other tests look for what came in by itself.
    await rm(join(root, "workspace/leaked"));
  },
);
