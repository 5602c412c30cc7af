import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { listening, openDoor, permitPorts, run } from "./egress.fixture.ts";
import { environmentFor } from "./environment.ts";
import { placeholderValue } from "./placeholders.ts";
import { selfSigned } from "./tls.fixture.ts";

describe("a sandbox's environment", () => {
  it("leads curl, Node, Python and git through the proxy, and makes them trust it", async () => {
    const tls = await selfSigned("api.test");
    const seen: (string | undefined)[] = [];
    await using upstream = await listening(
      createServer(tls, (request, response) => {
        seen.push(request.headers.authorization);
        response.end("fine");
      }),
    );
    const value = placeholderValue();
    const location = { in: "header", name: "Authorization", prefix: "Bearer " } as const;
    const at = { scheme: "https", host: "api.test", port: upstream.port, pathPrefix: "/" } as const;
    await using door = await openDoor(
      {
        policy: permitPorts(upstream.port),
        placeholders: [{ value, credential: "api-token", bindings: [{ ...at, location }] }],
      },
      {
        addresses: new Map([[`api.test:${upstream.port}`, "127.0.0.1"]]),
        upstreamCa: tls.cert,
        lease: () => Promise.resolve({ value: Buffer.from("the-real-token-0123456789") }),
      },
    );
    const directory = await mkdtemp(join(tmpdir(), "sallyport-env-"));
    try {
      const caFile = join(directory, "ca.pem");
      await writeFile(caFile, door.proxy.certificate ?? "");
      const env = { ...environmentFor(door.url, caFile), HOME: process.env.HOME };
      const url = `https://api.test:${upstream.port}/x`;
      const node = `const r = await fetch("${url}", { headers: { authorization: "Bearer ${value}" } }); console.log(await r.text())`;
      const python = `import urllib.request as u;print(u.urlopen(u.Request("${url}",headers={"Authorization":"Bearer ${value}"})).read().decode())`;
      const clients: [string, string[]][] = [
        ["curl", ["-q", "-sS", "-H", `Authorization: Bearer ${value}`, url]],
        [process.execPath, ["--input-type=module", "-e", node]],
        ["python3", ["-c", python]],
      ];
      for (const [command, args] of clients) {
        const { out, err } = await run(command, args, env);
        expect(out.trim(), `${command}: ${err}`).toBe("fine");
        expect(seen.pop(), command).toBe("Bearer the-real-token-0123456789");
      }
      const header = `http.extraHeader=Authorization: Bearer ${value}`;
      const git = await run("git", ["-c", header, "ls-remote", url], { ...env, GIT_TERMINAL_PROMPT: "0" });
      // The server is no git server: that git says so shows that it got there, and trusted whom it met.
      expect(git.err).not.toMatch(/certificate|proxy/i);
      expect(seen.pop()).toBe("Bearer the-real-token-0123456789");
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  it("leaves nothing that goes around the proxy, in either case of the names", () => {
    const env = environmentFor("http://127.0.0.1:3128", "/etc/ssl/sandbox.pem");
    expect(env).toMatchObject({ HTTP_PROXY: env.http_proxy, HTTPS_PROXY: env.https_proxy });
    expect(env).toMatchObject({ NO_PROXY: "", no_proxy: "", https_proxy: "http://127.0.0.1:3128" });
    expect(env.JAVA_TOOL_OPTIONS).toContain("-Dhttps.proxyPort=3128 -Dhttp.nonProxyHosts=");
  });
});
