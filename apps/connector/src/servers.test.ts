import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, describe, expect, it } from "vitest";

const run = promisify(execFile);

// A cloud's metadata service gives its machine's own credentials to whoever asks from there. A connector runs on such a
// machine, and whoever writes a zone of its DNS can give a reviewed route's name that address. The real thing is played in
// a network of its own: that address on its loopback, a service behind it that answers everybody, a hosts file of its own.
const folder = mkdtempSync(join(tmpdir(), "connector-servers-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const hosts = join(folder, "hosts");
writeFileSync(
  hosts,
  "169.254.169.254 metadata.internal\n::ffff:169.254.169.254 mapped.internal\n10.1.2.3 orders.internal\n",
);

const isolated = (script: string, ...args: string[]) =>
  run("unshare", ["-rnm", "sh", "-c", `set -e; mount --bind "$0" /etc/hosts; ${script}`, hosts, ...args], {
    env: { PATH: "/usr/sbin:/usr/bin:/sbin:/bin" },
    timeout: 20_000,
  });

/** The routes as the connector opens them, each called once. */
const probe = `
import { once } from "node:events";
import { createServer } from "node:http";
import { openServers } from ${JSON.stringify(new URL("servers.ts", import.meta.url).href)};

const asked = [];
for (const address of ["169.254.169.254", "10.1.2.3"]) {
  const service = createServer((request, response) => {
    asked.push(address);
    response.end("role-credentials");
  }).listen(80, address);
  await once(service, "listening");
}
const names = ["metadata", "mapped", "orders"];
const url = (name) => ({ url: "http://" + name + ".internal/latest/meta-data/iam/security-credentials/" });
const servers = await openServers(Object.fromEntries(names.map((name) => [name, url(name)])), {});
const answers = {};
for (const name of names) {
  answers[name] = await new Promise((resolve) => {
    let body = "";
    const request = { method: "GET", headers: [], body: Buffer.alloc(0), messages: [], principal: "a", leaseSession: "s" };
    servers.get(name).upstream.send(request, {
      head: () => undefined,
      data: (chunk) => { body += Buffer.from(chunk); return true; },
      end: () => resolve({ body }),
      fail: ({ message, code }, reached) => resolve({ message, code, reached }),
    });
  });
}
console.log(JSON.stringify({ asked, answers }));
process.exit(0);
`;

const problem = await isolated("ip link set lo up").then(
  () => undefined,
  (error: unknown) => String(error),
);
if (problem !== undefined) console.warn(`NOT RUN: a name that leads to the metadata address: ${problem}`);

describe.skipIf(problem !== undefined)("a route by name", () => {
  it("is not dialled where its name leads to the metadata address, in either notation", async () => {
    const { stdout } = await isolated(
      'ip link set lo up; ip addr add 169.254.169.254/32 dev lo; ip addr add 10.1.2.3/32 dev lo; exec "$@"',
      ...[process.execPath, "--disable-warning=ExperimentalWarning", "--input-type=module", "-e", probe],
    );
    const refused = (name: string) => ({
      code: "unavailable",
      message: `${name} could not be reached (address-refused)`,
      reached: false,
    });
    expect(JSON.parse(stdout)).toEqual({
      asked: ["10.1.2.3"],
      answers: {
        metadata: refused("metadata"),
        mapped: refused("mapped"),
        orders: { body: "role-credentials" },
      },
    });
  });
});
