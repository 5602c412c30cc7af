import { createIssuer } from "./index.ts";
import { readConfigFile } from "./src/config-file.ts";

const [path] = process.argv.slice(2);
if (path === undefined) throw new Error("usage: node main.ts <config.json>");

const issuer = await createIssuer(await readConfigFile(path));
for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => void issuer.stop());
console.log(JSON.stringify({ url: issuer.url }));
