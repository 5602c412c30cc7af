import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "./egress.fixture.ts";

export interface TestTls {
  readonly key: string;
  readonly cert: string;
}

/** A self-signed certificate for these names and 127.0.0.1, made by openssl: a parser that is not ours. */
export async function selfSigned(...names: string[]): Promise<TestTls> {
  const directory = await mkdtemp(join(tmpdir(), "sallyport-tls-"));
  const [key, cert] = [join(directory, "key.pem"), join(directory, "cert.pem")];
  const alt = [...names.map((name) => `DNS:${name}`), "IP:127.0.0.1"].join(",");
  const made = await run("openssl", [
    ...["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"],
    ...["-subj", "/CN=test upstream", "-addext", `subjectAltName=${alt}`, "-keyout", key, "-out", cert],
  ]);
  if (made.code !== 0) throw new Error(made.err);
  const texts = { key: await readFile(key, "utf8"), cert: await readFile(cert, "utf8") };
  await rm(directory, { recursive: true });
  return texts;
}
