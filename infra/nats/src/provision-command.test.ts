import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type NatsServer, startNats } from "@sallyport/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { run } from "./command.ts";

const mib = 1024 ** 2;
let folder: string;
let server: NatsServer;
let creds: string;

/** Everything by the command line alone, as an operator does it. */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "infra-nats-provision-"));
  const kept = ["--store", join(folder, "store"), "--accounts", join(folder, "accounts")];
  await told("--out", folder, ...kept, "--max-bytes", String(256 * mib));
  const dir = join(folder, "run");
  await mkdir(dir);
  server = await startNats({ dir, jetstream: false, config: 'include "../nats-server.conf"' });
  creds = join(folder, "creds", "provisioner.creds");
});
afterAll(async () => {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

async function told(...argv: string[]): Promise<string> {
  let text = "";
  await run(argv, (more) => {
    text += more;
  }).catch((thrown: unknown) => {
    text += `thrown: ${String(thrown)}`;
  });
  return text;
}
const provision = (...more: string[]) =>
  told("provision", "--server", server.url, "--creds", creds, "--bucket-bytes", String(mib), ...more);
const log = (count: number) => ["--log-bytes", String(count * mib)];

test("provision makes the streams, makes the log larger, and says what it leaves as it is", async () => {
  const made = await provision(...log(16));
  expect(made).toMatch(/^(\w+ +created\n){6}$/);
  expect(await provision(...log(16))).toBe(made.replaceAll("created", "as wanted"));
  expect(await provision(...log(32))).toMatch(/^AUDIT +grown$/m);
  const smaller = await provision(...log(16));
  expect(smaller).toMatch(/^AUDIT +differs: max_bytes$/m);
  expect(smaller).toContain("thrown: Error: AUDIT differs, and was left as it is");
});

test.each([
  [["--server", "nats://127.0.0.1:1"], /--creds/],
  [["--creds", "x"], /--server/],
  [["--server", "nats://127.0.0.1:1", "--creds", "x", "--log-bytes", "0"], /--log-bytes/],
  [["--server", "nats://127.0.0.1:1", "--creds", "x", "--log-bytes", "-1"], /log-bytes/],
  [["--server", "nats://127.0.0.1:1", "--creds", "x", "--bucket-bytes", "many"], /--bucket-bytes/],
  [["--server", "nats://127.0.0.1:1", "--creds", "x", "--replicas", "2"], /--replicas/],
  [
    ["--server", "nats://127.0.0.1:1", "--creds", "x", "--proxy", "http://a:b@127.0.0.1:1"],
    /--proxy: expected/,
  ],
  [["--server", "nats://127.0.0.1:1", "--creds", "x", "--proxy-credentials", "x"], /with --proxy/],
  [["--out", "x"], /--out/],
])("provision %j is refused before anything is asked", async (argv, why) => {
  expect(await told("provision", ...argv)).toMatch(/^thrown: /);
  expect(await told("provision", ...argv)).toMatch(why);
});

test("a server that is not there is named", async () => {
  const gone = await told("provision", "--server", "nats://127.0.0.1:1", "--creds", creds);
  expect(gone).toMatch(/^thrown: Error: .*nats:\/\/127\.0\.0\.1:1 does not answer: check --server$/);
});

test("what is no creds file is told as that", async () => {
  const file = join(folder, "no.creds");
  await writeFile(file, "nothing", { mode: 0o600 });
  const said = await told("provision", "--server", server.url, "--creds", file);
  expect(said).toBe("thrown: Error: what --creds names holds no NATS credentials");
});

test("provision --help says what it does, and the first help names it", async () => {
  expect(await told("provision", "--help")).toMatch(/^Usage: pnpm infra:nats provision/);
  expect(await told("--help")).toContain("infra:nats provision");
});

test.each(["deploy-a-zone", "respond-to-an-incident", "run-your-first-sandbox"])(
  "the guide %s provisions with a line that is taken",
  async (page) => {
    const text = await readFile(join(import.meta.dirname, `../../../docs/guides/${page}.md`), "utf8");
    const lines = [...text.replaceAll(/\\\n\s*/g, "").matchAll(/infra:nats (provision .*)/g)];
    expect(lines.length).toBeGreaterThan(0);
    for (const [, line = ""] of lines) {
      const argv = line.split(" ").filter((word) => word !== "");
      // The line is taken as far as its files: they are the operator's.
      expect(await told(...argv)).toMatch(/^thrown: Error: ENOENT.*provisioner\.creds/);
    }
  },
);
