import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { getCACertificates } from "node:tls";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { bearerToken, openBearerDoor } from "./bearer.fixture.ts";
import { run } from "./egress.fixture.ts";
import { environmentFor } from "./environment.ts";
import { javaTrustStore } from "./java-trust-store.ts";

const has = async (command: string) => (await run(command, ["-version"])).code === 0;
const java = (await has("java")) && (await has("javac"));
let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "sallyport-java-"));
});
afterAll(() => rm(folder, { recursive: true }));

/** Both of Java's clients: the old one, and java.net.http. */
const program = `import java.net.*; import java.net.http.*;
public class Ask { public static void main(String[] a) throws Exception {
  var old = (HttpURLConnection) new URL(a[0]).openConnection();
  old.setRequestProperty("Authorization", "Bearer " + a[1]);
  System.out.print(new String(old.getInputStream().readAllBytes()));
  var ask = HttpRequest.newBuilder(URI.create(a[0])).version(HttpClient.Version.HTTP_1_1).header("Authorization", "Bearer " + a[1]).build();
  System.out.print(HttpClient.newHttpClient().send(ask, HttpResponse.BodyHandlers.ofString()).body());
} }`;

describe("a trust store for Java", () => {
  it("is PKCS #12 to a parser that is not ours, with every certificate of the bundle", async () => {
    const bundle = getCACertificates("bundled");
    expect(bundle.length).toBeGreaterThan(100);
    const file = join(folder, "all.p12");
    await writeFile(file, javaTrustStore(bundle.join("\n")));
    const { out, err } = await run("openssl", [
      "pkcs12",
      "-in",
      file,
      "-nokeys",
      "-nomacver",
      "-passin",
      "pass:",
    ]);
    expect(out.match(/BEGIN CERTIFICATE/g)?.length, err).toBe(bundle.length);
    const pem = (text: string) => text.replace(/\s/g, "");
    for (const one of bundle) expect(pem(out)).toContain(pem(one));
  });

  it.skipIf(!java)(
    "lets Java through the proxy to a host with a placeholder (skipped: no JDK here)",
    async () => {
      await using bearer = await openBearerDoor();
      const { door, url, placeholder, seen } = bearer;
      const store = join(folder, "trust.p12");
      await writeFile(
        store,
        javaTrustStore([...getCACertificates("bundled"), door.proxy.certificate].join("\n")),
      );
      await writeFile(join(folder, "Ask.java"), program);
      const ask = [join(folder, "Ask.java"), url, placeholder];
      const trusting = await run("java", ask, environmentFor(door.url, "/none", store));
      expect(trusting.out, trusting.err).toBe("fine\nfine\n");
      expect(seen).toEqual(Array(2).fill(`Bearer ${bearerToken}`));
      const without = await run("java", ask, environmentFor(door.url, "/none"));
      expect(without.err).toContain("unable to find valid certification path");
      const listed = await run("keytool", [
        "-list",
        "-keystore",
        store,
        "-storetype",
        "PKCS12",
        "-storepass",
        "",
      ]);
      expect(listed.out.match(/trustedCertEntry/g)?.length, listed.err + listed.out).toBeGreaterThan(100);
    },
  );
});
