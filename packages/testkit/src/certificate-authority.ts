import { execFile } from "node:child_process";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

/** Files of a certificate and its key, PEM. */
export interface IssuedCertificate {
  readonly certFile: string;
  readonly keyFile: string;
}

/** An authority of a test's own, made by openssl: a parser and a clock that are not ours. */
export interface CertificateAuthority {
  readonly caFile: string;
  /** For host names and addresses. With `days: -1` it ended yesterday. */
  issue(names: readonly string[], options?: { days?: number }): Promise<IssuedCertificate>;
}

const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

export async function makeCertificateAuthority(folder: string): Promise<CertificateAuthority> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const caFile = join(folder, "ca.pem");
  const caKey = join(folder, "ca.key");
  const about = ["-subj", "/CN=test authority", "-days", "2"];
  await run("openssl", ["req", "-x509", ...newKey, ...about, "-keyout", caKey, "-out", caFile]);
  let issued = 0;
  return {
    caFile,
    issue: async (names, { days = 2 } = {}) => {
      issued += 1;
      const [keyFile, request, certFile] = ["key", "csr", "pem"].map((kind) =>
        join(folder, `server-${issued}.${kind}`),
      ) as [string, string, string];
      const alternatives = names.map((name) => (/^[\d.]+$|:/.test(name) ? `IP:${name}` : `DNS:${name}`));
      const extension = ["-addext", `subjectAltName=${alternatives.join(",")}`];
      await run("openssl", [
        ...["req", ...newKey, "-subj", "/CN=test server", ...extension, "-keyout", keyFile, "-out", request],
      ]);
      const by = ["-CA", caFile, "-CAkey", caKey, "-CAcreateserial", "-days", String(days)];
      await run("openssl", [
        "x509",
        "-req",
        "-in",
        request,
        ...by,
        "-copy_extensions",
        "copy",
        "-out",
        certFile,
      ]);
      return { certFile, keyFile };
    },
  };
}
