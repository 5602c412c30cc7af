import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { type Provisioned, type ProvisionOptions, provisionStreams } from "./provision-streams.ts";
import { inFlags, roadFrom } from "./road-flags.ts";

const provisionHelp = `Usage: pnpm infra:nats provision --server URL --creds FILE [--ca FILE] [--proxy URL]

Makes the streams and buckets on a running NATS server, as the user provisioner. Run again it changes nothing, but for
a stream that is to be larger: that one grows.

  --server URL      where the server listens, tls://host:4222 or wss://host; repeat it for the others of a cluster
  --creds FILE      creds/provisioner.creds
  --ca FILE         PEM of the authority that signed the server's certificate (default: the system's own)
  --proxy URL       an HTTP proxy on the way, http://proxy:3128
  --proxy-credentials FILE
                    user:password for it, in a file that nobody else can read
  --log-bytes N     bytes that the audit log may take (default: 4 GiB); a full one refuses calls, it drops nothing
  --bucket-bytes N  bytes that each bucket may take (default: 64 MiB)
  --replicas N      1, 3 or 5 (default: 1)
  --pool NAME       a pool of runners; repeat it for the others (default: default)

It prints a line for each stream: created, grown, as wanted, or differs. One that differs is left as it is, and the exit
code is 1: a person decides.
`;

const fewest = 1024 ** 2;

/** Pure but for the creds file. Undefined where help is asked for. */
async function readArguments(argv: readonly string[]): Promise<ProvisionOptions | undefined> {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      server: { type: "string", multiple: true, default: [] },
      creds: { type: "string" },
      ca: { type: "string" },
      proxy: { type: "string" },
      "proxy-credentials": { type: "string" },
      "log-bytes": { type: "string", default: String(4 * 1024 ** 3) },
      "bucket-bytes": { type: "string", default: String(64 * 1024 ** 2) },
      replicas: { type: "string", default: "1" },
      pool: { type: "string", multiple: true, default: ["default"] },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return undefined;
  if (values.server.length === 0) throw new Error("--server URL is missing; provision --help shows the rest");
  if (values.creds === undefined) throw new Error("--creds FILE is missing: the provisioner's");
  const maxBytes = {
    log: bytes("--log-bytes", values["log-bytes"]),
    bucket: bytes("--bucket-bytes", values["bucket-bytes"]),
  };
  const replicas = replicasOf(values.replicas);
  const road = roadFrom({ ...values, proxyCredentials: values["proxy-credentials"] });
  const creds = await readFile(resolve(values.creds));
  return { servers: values.server, creds, maxBytes, replicas, pools: values.pool, ...road };
}

function bytes(option: string, text: string): number {
  const number = Number(text);
  // NATS reads 0 and -1 as "without end", and a disk is not.
  if (Number.isSafeInteger(number) && number >= fewest) return number;
  throw new Error(`${option}: a number of bytes, ${fewest} or more`);
}

function replicasOf(text: string): 1 | 3 | 5 {
  const found = ([1, 3, 5] as const).find((number) => String(number) === text);
  if (found === undefined) throw new Error("--replicas: 1, 3 or 5");
  return found;
}

/** Makes the streams and tells what came of each. Throws what a person should read. */
export async function provision(argv: readonly string[], tell: (text: string) => void): Promise<void> {
  const options = await readArguments(argv);
  if (options === undefined) {
    tell(provisionHelp);
    return;
  }
  const done = await provisionStreams(options).catch((cause: unknown) => {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new Error(inFlags(why), { cause });
  });
  for (const one of done) tell(`${lineOf(one)}\n`);
  const differing = done.filter(({ outcome }) => outcome === "differs").map(({ stream }) => stream);
  if (differing.length > 0) throw new Error(`${differing.join(", ")} differs, and was left as it is`);
}

function lineOf({ stream, outcome, differences }: Provisioned): string {
  return `${stream.padEnd(16)} ${outcome}${differences.length === 0 ? "" : `: ${differences.join(", ")}`}`;
}
