import { appendFile, copyFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { getCACertificates, type SecureContext } from "node:tls";
import { upstreamTrust } from "@sallyport/sandbox-egress";

/**
 * Whom a pool trusts: the system's authorities, and its own. Made once for all doors of the pool, as all of them are a
 * quarter of a megabyte of text: written anew for each sandbox, that was most of what a runner's memory grew by.
 */
export interface Authorities {
  /** For the proxies' own connections. */
  readonly trust: SecureContext;
  /** PEM. */
  readonly text: string;
  /** The same as a file, which every user can read. */
  readonly file: string;
}

/** `own` is PEM. `folder` is one that other users can pass through. */
export async function writeAuthorities(folder: string, pool: string, own?: string): Promise<Authorities> {
  const text = [...getCACertificates("default"), own ?? ""].join("\n");
  const file = join(folder, `${pool}.pem`);
  await writeFile(file, text, { mode: 0o644 });
  return { trust: upstreamTrust(own), text, file };
}

/** The file for a sandbox whose door vouches for some hosts itself. It is copied by the kernel, and never in memory here. */
export async function withAuthority(
  { file }: Authorities,
  path: string,
  certificate: string,
): Promise<string> {
  await copyFile(file, path);
  await appendFile(path, `\n${certificate}`);
  return path;
}
