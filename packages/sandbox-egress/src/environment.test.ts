import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { bearerToken, openBearerDoor } from "./bearer.fixture.ts";
import { run } from "./egress.fixture.ts";
import { environmentFor } from "./environment.ts";

describe("a sandbox's environment", () => {
  it("leads curl, Node, Python and git through the proxy, and makes them trust it", async () => {
    await using bearer = await openBearerDoor();
    const { door, url, placeholder, seen } = bearer;
    const directory = await mkdtemp(join(tmpdir(), "sallyport-env-"));
    try {
      const caFile = join(directory, "ca.pem");
      await writeFile(caFile, door.proxy.certificate ?? "");
      const env = { ...environmentFor(door.url, caFile), HOME: process.env.HOME };
      const node = `const r = await fetch("${url}", { headers: { authorization: "Bearer ${placeholder}" } }); console.log(await r.text())`;
      const python = `import urllib.request as u;print(u.urlopen(u.Request("${url}",headers={"Authorization":"Bearer ${placeholder}"})).read().decode())`;
      const clients: [string, string[]][] = [
        ["curl", ["-q", "-sS", "-H", `Authorization: Bearer ${placeholder}`, url]],
        [process.execPath, ["--input-type=module", "-e", node]],
        ["python3", ["-c", python]],
      ];
      for (const [command, args] of clients) {
        const { out, err } = await run(command, args, env);
        expect(out.trim(), `${command}: ${err}`).toBe("fine");
        expect(seen.pop(), command).toBe(`Bearer ${bearerToken}`);
      }
      const header = `http.extraHeader=Authorization: Bearer ${placeholder}`;
      const git = await run("git", ["-c", header, "ls-remote", url], { ...env, GIT_TERMINAL_PROMPT: "0" });
      // The server is no git server: that git says so shows that it got there, and trusted whom it met.
      expect(git.err).not.toMatch(/certificate|proxy/i);
      expect(seen.pop()).toBe(`Bearer ${bearerToken}`);
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
