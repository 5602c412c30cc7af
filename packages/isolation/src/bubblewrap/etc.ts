import { mkdir, readdir, readlink, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { insideId } from "./args.ts";

const files: Readonly<Record<string, string>> = {
  passwd: `root:x:0:0:root:/:/usr/sbin/nologin\nagent:x:${insideId}:${insideId}:agent:/tmp/home:/bin/bash\n`,
  group: `root:x:0:\nagent:x:${insideId}:\n`,
  hosts: "127.0.0.1 localhost sandbox\n::1 localhost\n",
  "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
  // No resolver: names are for the egress proxy to look up.
  "resolv.conf": "",
  "ssl/certs/ca-certificates.crt": "",
};

/**
 * The /etc of every sandbox: nothing of the host's, but the names by which a toolchain finds its own programs
 * (`awk` → /etc/alternatives/awk → /usr/bin/mawk), where they lead back into /usr.
 */
export async function writeEtc(folder: string, alternatives = "/etc/alternatives"): Promise<void> {
  await mkdir(join(folder, "ssl/certs"), { recursive: true });
  await mkdir(join(folder, "alternatives"), { recursive: true });
  for (const [name, text] of Object.entries(files))
    await writeFile(join(folder, name), text, { mode: 0o644 });
  for (const name of await readdir(alternatives).catch(() => [])) {
    const target = await readlink(join(alternatives, name)).catch(() => "");
    if (!target.startsWith("/usr/") || target.includes("..")) continue;
    await symlink(target, join(folder, "alternatives", name)).catch((cause: NodeJS.ErrnoException) => {
      if (cause.code !== "EEXIST") throw cause;
    });
  }
}
