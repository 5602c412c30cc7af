import { X509Certificate } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { createServer as createHttps } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { createAuthority } from "./certificate-authority.ts";
import { curl, type Door, listening, openDoor, permitPorts, policyOf, run, speak } from "./egress.fixture.ts";
import { type Binding, type Placeholder, placeholderValue } from "./placeholders.ts";
import { selfSigned } from "./tls.fixture.ts";

const tls = await selfSigned("api.test", "other.test");
const secret = "the-real-token-0123456789";
const lease = () => Promise.resolve({ value: Buffer.from(secret) });
const basic = (text: string) => `Basic ${Buffer.from(text).toString("base64")}`;

/** Notes what it was sent, and says it all back. */
async function spy(secure = false, encode?: (text: string) => Buffer) {
  const seen: { url: string; headers: Record<string, unknown>; body: string }[] = [];
  const answer: Parameters<typeof createServer>[1] = (request, response) => {
    let body = "";
    request.on("data", (chunk) => (body += String(chunk)));
    request.on("end", () => {
      seen.push({ url: request.url ?? "", headers: request.headers, body });
      const text = JSON.stringify({ echo: [request.url, request.headers] });
      response.setHeader("x-echo", String(request.headers.authorization ?? ""));
      if (encode) response.setHeader("content-encoding", "gzip").end(encode(text));
      else response.end(text);
    });
  };
  const server = await listening(secure ? createHttps(tls, answer) : createServer(answer));
  return Object.assign(server, { seen });
}

function placeholder(port: number, binding: Partial<Binding> = {}, credential = "api-token"): Placeholder {
  const bound: Binding = {
    ...{ scheme: "http", host: "api.test", port, pathPrefix: "/v1" },
    location: { in: "header", name: "Authorization", prefix: "Bearer " },
    ...binding,
  };
  return { value: placeholderValue(), credential, bindings: [bound] };
}

const doorFor = (port: number, ...placeholders: Placeholder[]) =>
  openDoor(
    { policy: permitPorts(port), placeholders },
    {
      addresses: new Map([`api.test:${port}`, `other.test:${port}`].map((place) => [place, "127.0.0.1"])),
      upstreamCa: tls.cert,
      lease,
    },
  );

/** A file that curl trusts, for as long as it is used. */
async function trusting(door: Door) {
  const directory = await mkdtemp(join(tmpdir(), "sallyport-ca-"));
  const file = join(directory, "ca.pem");
  await writeFile(file, door.proxy.certificate ?? "");
  return { file, [Symbol.asyncDispose]: () => rm(directory, { recursive: true }) };
}

describe("a placeholder", () => {
  it("is opaque, long enough, and of the shape that a client asks for", () => {
    expect(placeholderValue()).toMatch(/^sbx_[A-Za-z0-9]{32}$/);
    expect(placeholderValue("ghp_", 36)).toMatch(/^ghp_[A-Za-z0-9]{36}$/);
    expect(() => placeholderValue("x", 31)).toThrow(RangeError);
    expect(() => placeholderValue("a b")).toThrow(RangeError);
  });

  it("becomes its credential in the header it is bound to, and comes back as neither", async () => {
    await using upstream = await spy();
    const held = placeholder(upstream.port);
    await using door = await doorFor(upstream.port, held);
    const header = `Authorization: Bearer ${held.value}`;
    const { out } = await curl(door, "-i", "-H", header, `http://api.test:${upstream.port}/v1/me`);
    expect(upstream.seen[0]?.headers).toMatchObject({ authorization: `Bearer ${secret}` });
    expect(out).not.toContain(secret);
    expect(out.match(/\[redacted:api-token\]/g)?.length).toBe(2);
    expect(door.records).toMatchObject([{ outcome: "allowed", credentials: ["api-token"] }]);
    expect(JSON.stringify(door.records)).not.toContain(secret);
  });

  it("becomes the password of Basic, for the user that the client names, and a query parameter", async () => {
    await using upstream = await spy();
    const password = placeholder(upstream.port, { location: { in: "basic" } });
    const query = placeholder(
      upstream.port,
      { pathPrefix: "/q", location: { in: "query", name: "key" } },
      "key",
    );
    await using door = await doorFor(upstream.port, password, query);
    const place = `http://api.test:${upstream.port}`;
    const one = await curl(door, "-u", `git:${password.value}`, `${place}/v1/x`);
    expect(upstream.seen[0]?.headers).toMatchObject({ authorization: basic(`git:${secret}`) });
    expect(one.out).not.toContain(basic(`git:${secret}`));
    await curl(door, `${place}/q?a=1&key=${query.value}&b=2`);
    expect(upstream.seen[1]?.url).toBe(`/q?a=1&b=2&key=${secret}`);
  });

  it("is placed inside TLS that ends at the proxy, whose certificate counts inside alone", async () => {
    await using upstream = await spy(true);
    const held = placeholder(upstream.port, { scheme: "https" });
    await using door = await doorFor(upstream.port, held);
    await using ca = await trusting(door);
    const url = `https://api.test:${upstream.port}/v1/me`;
    const { out, err } = await curl(
      door,
      "--cacert",
      ca.file,
      "-H",
      `Authorization: Bearer ${held.value}`,
      url,
    );
    expect(err).toBe("");
    expect(upstream.seen[0]?.headers).toMatchObject({ authorization: `Bearer ${secret}` });
    expect(out).toContain("[redacted:api-token]");
    expect(out).not.toContain(secret);
    expect(door.records).toMatchObject([
      { outcome: "allowed", scheme: "https", method: "GET", path: "/v1/me" },
    ]);
    // Another host passes end to end: the sandbox's CA is no help there.
    const other = await curl(door, "--cacert", ca.file, `https://other.test:${upstream.port}/`);
    expect(other.code).toBe(60);
  });

  it("goes to no server that cannot prove its name", async () => {
    await using upstream = await spy(true);
    const held = placeholder(upstream.port, { scheme: "https" });
    await using door = await openDoor(
      { policy: permitPorts(upstream.port), placeholders: [held] },
      { addresses: new Map([[`api.test:${upstream.port}`, "127.0.0.1"]]), lease },
    );
    const url = `https://api.test:${upstream.port}/v1/me`;
    const { out } = await curl(door, "-k", "-H", `Authorization: Bearer ${held.value}`, url);
    expect(out).toContain("could not be reached");
    expect(upstream.seen).toEqual([]);
  });

  it("inside TLS: another Host, another server name, another tunnel and h2 are refused", async () => {
    await using upstream = await spy(true);
    const held = placeholder(upstream.port, { scheme: "https" });
    await using door = await doorFor(upstream.port, held);
    const place = `api.test:${upstream.port}`;
    const auth = ["-k", "-H", `Authorization: Bearer ${held.value}`];
    const host = await curl(door, ...auth, "-H", "Host: other.test", `https://${place}/v1`);
    expect(host.out).toContain("the Host header is not the host");
    const connect = `CONNECT ${place} HTTP/1.1\r\nHost: ${place}\r\n\r\n`;
    expect(await speak(door, `${connect}SSH-2.0-x\r\n`)).toContain("200");
    expect(door.records.at(-1)).toMatchObject({ code: "tls" });
    const nested = await run("python3", ["-c", nestedTunnel(door.port, place)], {
      HOME: process.env.HOME,
    });
    expect(nested.out).toContain("a tunnel leads into no other tunnel");
    const h2 = await run("python3", ["-c", nestedTunnel(door.port, place, "h2")], {
      HOME: process.env.HOME,
    });
    expect(h2.err).toMatch(/no.application.protocol/i);
    expect(upstream.seen).toEqual([]);
  });

  it("has no tunnel of something else beside it, even where a rule allows that", async () => {
    await using upstream = await spy(true);
    const held = placeholder(upstream.port, { scheme: "https" });
    const scope = 'permit(principal, action == Action::"http/request", resource)';
    const when = `when { context.tls == false && context.port == ${upstream.port} }`;
    const policy = policyOf(`@id("raw") ${scope} ${when};`);
    await using door = await openDoor({ policy, placeholders: [held] }, { lease });
    const place = `api.test:${upstream.port}`;
    await speak(door, `CONNECT ${place} HTTP/1.1\r\nHost: ${place}\r\n\r\nSSH-2.0-x\r\n`);
    expect(door.records).toMatchObject([{ outcome: "denied", code: "tls" }]);
  });

  it("is refused, and recorded, wherever else it stands", async () => {
    await using upstream = await spy();
    const held = placeholder(upstream.port, { methods: ["GET"] });
    await using door = await doorFor(upstream.port, held);
    const { value } = held;
    const bearer = ["-H", `Authorization: Bearer ${value}`];
    const place = `http://api.test:${upstream.port}`;
    const encoded = [...value].map((c) => `%${c.charCodeAt(0).toString(16)}`).join("");
    const attempts: Record<string, string[]> = {
      "another host": [...bearer, `http://other.test:${upstream.port}/v1`],
      "another path": [...bearer, `${place}/v2`],
      "a path that only begins alike": [...bearer, `${place}/v1x`],
      "another method": [...bearer, "-X", "DELETE", `${place}/v1`],
      "another header": ["-H", `X-Token: ${value}`, `${place}/v1`],
      "another prefix": ["-H", `Authorization: Token ${value}`, `${place}/v1`],
      "a second header": [...bearer, "-H", `X-Copy: ${value}`, `${place}/v1`],
      "Basic instead": ["-u", `x:${value}`, `${place}/v1`],
      "the user of Basic": ["-u", `${value}:x`, `${place}/v1`],
      "the proxy's own header": ["--proxy-header", `Proxy-Authorization: Bearer ${value}`, `${place}/v1`],
      "the query": [`${place}/v1?t=${value}`],
      "the query in percent form": [`${place}/v1?t=${encoded}`],
      "the path": [`${place}/v1/${value}`],
      "a header's name": ["-H", `${value}: x`, `${place}/v1`],
      "a body": ["-d", `token=${value}`, `${place}/v1`],
      "a body in JSON, base64": [
        "-d",
        JSON.stringify({ t: Buffer.from(value).toString("base64") }),
        `${place}/v1`,
      ],
      "a body in chunks": [
        "-H",
        "Transfer-Encoding: chunked",
        "-d",
        `${"x".repeat(100_000)}${value}`,
        `${place}/v1`,
      ],
    };
    for (const [what, args] of Object.entries(attempts)) {
      const before = door.records.length;
      const { out } = await curl(door, "-i", ...args);
      expect(out, what).toMatch(/403 [\s\S]*placeholder/);
      expect(out, what).not.toContain(secret);
      const denied = door.records.slice(before).filter(({ outcome }) => outcome === "denied");
      expect(denied, what).toMatchObject([{ code: "placeholder" }]);
    }
    expect(upstream.seen).toEqual([]);
  });

  it("is bound to its scheme and port, and is no user of Basic beside its own password", async () => {
    await using upstream = await spy();
    const port = upstream.port;
    const secure = placeholder(port, { scheme: "https" }, "secure");
    const elsewhere = placeholder(port + 1, {}, "elsewhere");
    const password = placeholder(port, { location: { in: "basic" } }, "password");
    await using door = await doorFor(port, secure, elsewhere, password);
    const url = `http://api.test:${port}/v1`;
    for (const args of [
      ["-H", `Authorization: Bearer ${secure.value}`],
      ["-H", `Authorization: Bearer ${elsewhere.value}`],
      ["-u", `${password.value}:${password.value}`],
    ])
      expect((await curl(door, "-i", ...args, url)).out).toMatch(/403 [\s\S]*placeholder/);
    expect(upstream.seen).toEqual([]);
  });

  it("is refused in a body as soon as it shows, though the body goes on", async () => {
    await using upstream = await spy();
    const held = placeholder(upstream.port);
    await using door = await doorFor(upstream.port, held);
    const place = `api.test:${upstream.port}`;
    const head = `POST http://${place}/v1 HTTP/1.1\r\nHost: ${place}\r\nTransfer-Encoding: chunked\r\n\r\n`;
    const got = await speak(door, `${head}26\r\n${held.value}--\r\n`, /bound to no/);
    expect(got).toMatch(/403 [\s\S]*bound to no request's body/);
  });

  it("tells where it may go when it is refused", async () => {
    await using upstream = await spy();
    const held = placeholder(upstream.port);
    await using door = await doorFor(upstream.port, held);
    const { out } = await curl(door, "-H", `X: ${held.value}`, `http://api.test:${upstream.port}/v1`);
    expect(out).toContain(`any method http://api.test:${upstream.port}/v1 in header Authorization`);
  });

  it("of another sandbox is worth nothing", async () => {
    await using upstream = await spy();
    const [mine, yours] = [placeholder(upstream.port), placeholder(upstream.port)];
    await using door = await doorFor(upstream.port, mine);
    await curl(door, "-H", `Authorization: Bearer ${yours.value}`, `http://api.test:${upstream.port}/v1`);
    expect(upstream.seen[0]?.headers).toMatchObject({ authorization: `Bearer ${yours.value}` });
  });

  it("whose credential is not to be had, or cannot be scrubbed, sends nothing", async () => {
    await using upstream = await spy();
    const held = placeholder(upstream.port);
    for (const failing of [
      () => Promise.reject(new Error(`vault says ${secret}`)),
      () => Promise.resolve({ value: Buffer.from("short") }),
      () => Promise.resolve({ value: Buffer.from("long enough\r\nX: y") }),
    ]) {
      await using door = await openDoor(
        { policy: permitPorts(upstream.port), placeholders: [held] },
        { addresses: new Map([[`api.test:${upstream.port}`, "127.0.0.1"]]), lease: failing },
      );
      const header = `Authorization: Bearer ${held.value}`;
      const { out } = await curl(door, "-i", "-H", header, `http://api.test:${upstream.port}/v1`);
      expect(out).toMatch(/502[\s\S]*credential: api-token/);
      expect(out).not.toContain(secret);
    }
    expect(upstream.seen).toEqual([]);
  });

  it("leaves answers scrubbed that are packed, or come later from another host", async () => {
    await using upstream = await spy(false, (text) => gzipSync(`${text} ${secret}`));
    const held = placeholder(upstream.port);
    await using door = await doorFor(upstream.port, held);
    const header = `Authorization: Bearer ${held.value}`;
    const one = await curl(door, "-H", header, `http://api.test:${upstream.port}/v1`);
    expect(one.out.match(/\[redacted:api-token\]/g)?.length).toBe(2);
    const other = await curl(door, "-H", "Range: bytes=0-3", `http://other.test:${upstream.port}/`);
    expect(other.out).toContain("[redacted:api-token]");
    expect(other.out + one.out).not.toContain(secret);
    expect(upstream.seen[0]?.headers).toMatchObject({ "accept-encoding": "identity" });
  });
});

describe("a sandbox's certificate authority", () => {
  it("holds up to a strict verifier, for its hosts and no other", async () => {
    const ca = createAuthority(["api.test", "10.0.0.7"]);
    const parsed = new X509Certificate(ca.certificate);
    expect(parsed.ca).toBe(true);
    const server = createHttps({ SNICallback: (name, done) => done(null, ca.contextFor(name)) }, (_q, r) =>
      r.end(),
    );
    await using listener = await listening(server);
    const outcome = (servername: string) =>
      new Promise<string>((resolve) => {
        const options = { host: "127.0.0.1", port: listener.port, servername, ca: ca.certificate };
        const socket = connectTls(options, () => {
          socket.destroy();
          resolve("trusted");
        });
        socket.on("error", (error) => resolve(error.message));
      });
    expect(await outcome("api.test")).toBe("trusted");
    expect(await outcome("evil.test")).toContain("permitted subtree violation");
    const script = `import ssl,socket
c=ssl.create_default_context(cadata="""${ca.certificate}""");c.verify_flags|=ssl.VERIFY_X509_STRICT
c.wrap_socket(socket.create_connection(("127.0.0.1",${listener.port})),server_hostname="api.test").close();print("strict")`;
    expect(await run("python3", ["-c", script], { HOME: process.env.HOME })).toMatchObject({
      out: "strict\n",
    });
  });
});

/** Python, since it speaks TLS over a tunnel that it opened itself, with the ALPN that it is told. */
function nestedTunnel(port: number, place: string, alpn = "http/1.1"): string {
  return `import socket,ssl
s=socket.create_connection(("127.0.0.1",${port}));s.sendall(b"CONNECT ${place} HTTP/1.1\\r\\nHost: ${place}\\r\\n\\r\\n");s.recv(4096)
c=ssl._create_unverified_context();c.set_alpn_protocols(["${alpn}"]);t=c.wrap_socket(s,server_hostname="api.test")
t.sendall(b"CONNECT ${place} HTTP/1.1\\r\\nHost: ${place}\\r\\n\\r\\n");d=b""
while True:
  p=t.recv(4096)
  if not p: break
  d+=p
print(d.decode())`;
}
