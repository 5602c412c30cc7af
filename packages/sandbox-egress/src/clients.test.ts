import { mkdtemp, rm } from "node:fs/promises";
import { createServer as createHttp } from "node:http";
import { createServer as createHttps } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { gitServer, npmRegistry, pythonIndex } from "./clients.fixture.ts";
import { type Listening, listening, policyOf, run } from "./egress.fixture.ts";
import { type Placeholder, placeholderValue } from "./placeholders.ts";
import { openRealSandbox, type RealSandbox } from "./real-sandbox.fixture.ts";
import { selfSigned } from "./tls.fixture.ts";
import { withPlaceholders } from "./with-placeholders.ts";

const tls = await selfSigned("git.test", "pypi.test", "npm.test", "other.test");
const secrets = {
  git: "the-git-password-0123456789",
  npm: "the-npm-token-0123456789",
  api: "the-api-token-0123456789",
};
/** Of the sandbox's toolchain, which is this machine's /usr. */
const has = async (program: string, ...args: string[]) =>
  (await run(`/usr/bin/${program}`, args.length > 0 ? args : ["--version"])).code === 0;
const [curl, git, pip, npm] = await Promise.all([
  has("curl"),
  has("git"),
  has("python3", "-m", "pip", "--version"),
  has("npm"),
]);

let folder = "";
let ports: Record<"api" | "git" | "pypi" | "npm", number>;
const servers: Listening[] = [];
let box: RealSandbox;
let held: Placeholder[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sallyport-servers-"));
  const open = async (server: Parameters<typeof listening>[0]) => {
    const opened = await listening(server);
    servers.push(opened);
    return opened.port;
  };
  ports = {
    api: await open(
      createHttp(({ headers }, response) => response.end(`you are ${headers.authorization}\n`)),
    ),
    git: await open(createHttps(tls, await gitServer(join(folder, "git"), secrets.git))),
    pypi: await open(createHttps(tls, await pythonIndex(folder))),
    npm: await open(createHttps(tls, await npmRegistry(join(folder, "npm"), secrets.npm))),
  };
  const bearer = { in: "header", name: "Authorization", prefix: "Bearer " } as const;
  held = [
    hold("api", { scheme: "http", location: bearer }),
    hold("git", { location: { in: "basic" } }),
    hold("npm", { location: bearer }),
  ];
  const scope = 'permit(principal, action == Action::"http/request", resource ==';
  const rules = Object.entries(ports).map(
    ([name, port]) =>
      `@id("${name}") ${scope} Host::"${name}.test") when { context.port == ${port} && !(context.path like "/secret*") };`,
  );
  box = await openRealSandbox(
    { policy: policyOf(rules.join("\n")), placeholders: held },
    {
      addresses: new Map(Object.entries(ports).map(([name, port]) => [`${name}.test:${port}`, "127.0.0.1"])),
      upstreamCa: tls.cert,
      lease: (name) => Promise.resolve({ value: Buffer.from(secrets[name as keyof typeof secrets]) }),
    },
  );
});
afterAll(async () => {
  await box[Symbol.asyncDispose]();
  for (const server of servers) await server[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

function hold(
  credential: keyof typeof secrets,
  {
    scheme = "https",
    location,
  }: Pick<Placeholder["bindings"][number], "location"> & { scheme?: "http" | "https" },
): Placeholder {
  const at = { scheme, host: `${credential}.test`, port: ports[credential], pathPrefix: "/" } as const;
  return { value: placeholderValue(), credential, bindings: [{ ...at, location }] };
}

const nothingLeaked = (...texts: string[]) => {
  for (const secret of Object.values(secrets)) expect(texts.join("\n")).not.toContain(secret);
};

describe("inside a real sandbox, behind policy", () => {
  it.skipIf(!curl)(
    "curl uses a placeholder, and is told of a denial (skipped: no /usr/bin/curl)",
    async () => {
      const header = withPlaceholders("Authorization: Bearer {{api}}", held);
      const allowed = await box.run(["curl", "-sS", "-H", header, `http://api.test:${ports.api}/x`]);
      expect(allowed.out, allowed.err).toBe("you are Bearer [redacted:api]\n");
      const denied = await box.run(["curl", "-sS", `http://other.test:${ports.api}/x`]);
      expect(denied.out, denied.err).toContain("sallyport egress: policy: no rule allows it");
      const elsewhere = await box.run([
        "curl",
        "-sS",
        "-H",
        `X: ${header}`,
        `http://api.test:${ports.api}/x`,
      ]);
      expect(elsewhere.out).toContain("the placeholder of api may go only to");
      const around = await box.run(["curl", "-sS", "--noproxy", "*", `http://127.0.0.1:${ports.api}/x`]);
      expect(around.err).toMatch(/Couldn't connect|Failed to connect/);
      nothingLeaked(allowed.out, denied.out, elsewhere.out);
    },
  );

  it.skipIf(!git)(
    "git clones with its password in ~/.netrc, and is told of a denial (skipped: no /usr/bin/git)",
    async () => {
      const netrc = withPlaceholders("machine git.test login git password {{git}}\n", held);
      await box.files.write("/tmp/home/.netrc", Buffer.from(netrc));
      const url = `https://git.test:${ports.git}`;
      const allowed = await box.run(["git", "clone", "-q", `${url}/repo.git`, "one"]);
      expect(allowed.err).toBe("");
      expect((await box.run(["cat", "one/hello.txt"])).out).toBe("hello from the repository\n");
      const path = await box.run(["git", "clone", "-q", `${url}/secret.git`, "two"]);
      expect(path.err).toContain("remote: sallyport egress: policy: no rule allows it");
      const host = await box.run(["git", "clone", "-q", `https://other.test:${ports.git}/repo.git`, "two"]);
      expect(host.err).toContain("CONNECT tunnel failed, response 403");
      const config = await box.run(["cat", "/tmp/home/.netrc", "one/.git/config"]);
      nothingLeaked(allowed.err, path.err, host.err, config.out);
    },
  );

  it.skipIf(!pip)(
    "pip installs through TLS that passes, and is told of a denial (skipped: /usr/bin/python3 has no pip)",
    async () => {
      const install = (host: string) =>
        box.run([
          ...[
            "python3",
            "-m",
            "pip",
            "install",
            "--no-input",
            "--disable-pip-version-check",
            "--retries",
            "1",
          ],
          ...[
            "--target",
            "/workspace/lib",
            "--index-url",
            `https://${host}:${ports.pypi}/simple/`,
            "sallyport-demo",
          ],
        ]);
      const allowed = await install("pypi.test");
      expect(allowed.code, allowed.err).toBe(0);
      const said = "import sallyport_demo; print(sallyport_demo.said)";
      const used = await box.run(["python3", "-c", said], { PYTHONPATH: "/workspace/lib" });
      expect(used.out, used.err).toBe("hello from the wheel\n");
      const denied = await install("other.test");
      expect(denied.code).not.toBe(0);
      expect(denied.err + denied.out).toContain("403 policy: no rule allows it");
    },
  );

  it.skipIf(!npm)(
    "npm installs with its token in ~/.npmrc, and is told of a denial (skipped: no /usr/bin/npm)",
    async () => {
      const npmrc = withPlaceholders(`//npm.test:${ports.npm}/:_authToken={{npm}}\n`, held);
      await box.files.write("/tmp/home/.npmrc", Buffer.from(npmrc));
      const install = (host: string, name: string) => {
        const flags = [
          "--no-audit",
          "--no-fund",
          "--no-update-notifier",
          "--fetch-retries=0",
          "--prefix",
          "/workspace/js",
        ];
        return box.run(["npm", "install", ...flags, "--registry", `https://${host}:${ports.npm}/`, name]);
      };
      const allowed = await install("npm.test", "sallyport-demo");
      expect(allowed.code, allowed.err).toBe(0);
      const used = await box.run(["node", "-p", 'require("/workspace/js/node_modules/sallyport-demo")']);
      expect(used.out, used.err).toBe("hello from the tarball\n");
      const denied = [await install("npm.test", "secret"), await install("other.test", "sallyport-demo")];
      for (const { code, err } of denied) {
        expect(code).not.toBe(0);
        expect(err).toContain("403 policy: no rule allows it");
      }
      nothingLeaked(allowed.out, allowed.err, ...denied.map(({ err }) => err));
    },
  );

  it("every request of theirs is on record, with the names of what was placed", async () => {
    const header = withPlaceholders("Authorization: Bearer {{api}}", held);
    await box.run(["curl", "-sS", "-H", header, `http://api.test:${ports.api}/recorded`]);
    const found = box.records.filter(({ path }) => path === "/recorded");
    expect(found).toMatchObject([{ outcome: "allowed", agent: "bob", ruleId: "api", credentials: ["api"] }]);
    nothingLeaked(JSON.stringify(box.records));
  });
});
