import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { join } from "node:path";
import { run } from "./egress.fixture.ts";

async function must(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<string> {
  const { code, out, err } = await run(command, args, env);
  if (code !== 0) throw new Error(`${command}: ${err}`);
  return out;
}

/** A repository behind git's own server program, for whoever knows the password. */
export async function gitServer(folder: string, password: string): Promise<RequestListener> {
  const work = join(folder, "work");
  const git = (...args: string[]) =>
    must("git", ["-C", work, "-c", "user.name=t", "-c", "user.email=t@t", ...args]);
  await mkdir(work, { recursive: true });
  await git("init", "-q", "-b", "main");
  await writeFile(join(work, "hello.txt"), "hello from the repository\n");
  await git("add", ".");
  await git("commit", "-q", "-m", "one");
  await must("git", ["clone", "-q", "--bare", work, join(folder, "repo.git")]);
  const backend = join((await must("git", ["--exec-path"])).trim(), "git-http-backend");
  const expected = `Basic ${Buffer.from(`git:${password}`).toString("base64")}`;
  return (request, response) => {
    if (request.headers.authorization !== expected)
      return void response.writeHead(401, { "www-authenticate": 'Basic realm="git"' }).end();
    const env = { GIT_PROJECT_ROOT: folder, GIT_HTTP_EXPORT_ALL: "1" };
    cgi(backend, env, { request, response });
  };
}

/** RFC 3875, as much as git needs. */
function cgi(
  program: string,
  env: Record<string, string>,
  { request, response }: { request: IncomingMessage; response: ServerResponse },
): void {
  const { pathname, search } = new URL(request.url ?? "", "http://any");
  const child = spawn(program, [], {
    env: {
      ...env,
      PATH: process.env.PATH,
      PATH_INFO: pathname,
      QUERY_STRING: search.slice(1),
      REQUEST_METHOD: request.method,
      CONTENT_TYPE: request.headers["content-type"] ?? "",
      HTTP_CONTENT_ENCODING: request.headers["content-encoding"] ?? "",
      GIT_PROTOCOL: String(request.headers["git-protocol"] ?? ""),
    },
    stdio: ["pipe", "pipe", "ignore"],
  });
  request.pipe(child.stdin.on("error", () => {}));
  const pieces: Buffer[] = [];
  child.stdout.on("data", (piece: Buffer) => pieces.push(piece));
  child.on("close", () => {
    const all = Buffer.concat(pieces);
    const end = all.indexOf("\r\n\r\n");
    let status = 200;
    for (const line of all.subarray(0, end).toString().split("\r\n")) {
      const [name = "", value = ""] = line.split(": ");
      if (name.toLowerCase() === "status") status = Number.parseInt(value, 10);
      else response.setHeader(name, value);
    }
    response.writeHead(status).end(all.subarray(end + 4));
  });
}

/** An index as PEP 503 has it, of one wheel. */
export async function pythonIndex(folder: string): Promise<RequestListener> {
  const name = "sallyport_demo-1.0-py3-none-any.whl";
  const file = join(folder, name);
  const info = "sallyport_demo-1.0.dist-info";
  const script = `import sys,zipfile
z=zipfile.ZipFile(sys.argv[1],"w")
z.writestr("sallyport_demo.py","said='hello from the wheel'\\n")
z.writestr("${info}/METADATA","Metadata-Version: 2.1\\nName: sallyport-demo\\nVersion: 1.0\\n")
z.writestr("${info}/WHEEL","Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
z.writestr("${info}/RECORD","sallyport_demo.py,,\\n${info}/METADATA,,\\n${info}/WHEEL,,\\n${info}/RECORD,,\\n")
z.close()`;
  await must("python3", ["-c", script, file], { HOME: process.env.HOME });
  const wheel = await readFile(file);
  const digest = createHash("sha256").update(wheel).digest("hex");
  return ({ url }, response) => {
    if (url === "/simple/sallyport-demo/")
      return void response
        .setHeader("content-type", "text/html")
        .end(`<a href="/files/${name}#sha256=${digest}">${name}</a>`);
    if (url === `/files/${name}`) return void response.end(wheel);
    response.writeHead(404).end();
  };
}

/** A registry of one package, for whoever has the token. */
export async function npmRegistry(folder: string, token: string): Promise<RequestListener> {
  const manifest = { name: "sallyport-demo", version: "1.0.0", main: "index.js" };
  await mkdir(join(folder, "package"), { recursive: true });
  await writeFile(join(folder, "package/package.json"), JSON.stringify(manifest));
  await writeFile(join(folder, "package/index.js"), 'module.exports = "hello from the tarball";\n');
  const file = join(folder, "demo.tgz");
  await must("tar", ["-czf", file, "-C", folder, "package"]);
  const tarball = await readFile(file);
  const integrity = `sha512-${createHash("sha512").update(tarball).digest("base64")}`;
  return ({ url, headers }, response) => {
    if (headers.authorization !== `Bearer ${token}`) return void response.writeHead(401).end("{}");
    if (url === "/demo.tgz") return void response.end(tarball);
    if (url !== "/sallyport-demo") return void response.writeHead(404).end("{}");
    const dist = { tarball: `https://${headers.host}/demo.tgz`, integrity };
    const packument = {
      name: manifest.name,
      "dist-tags": { latest: "1.0.0" },
      versions: { "1.0.0": { ...manifest, dist } },
    };
    response.setHeader("content-type", "application/json").end(JSON.stringify(packument));
  };
}
