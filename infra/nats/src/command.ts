import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { type ZoneInstance, zones } from "@sallyport/contracts";
import { writeNew } from "@sallyport/installation";
import { permissionsFor } from "./permissions.ts";
import { provision } from "./provision-command.ts";
import { accountsConfig, serverConfig } from "./server-config.ts";
import { createTrust, issueUser } from "./trust.ts";
import { loadTrust, storeTrust } from "./trust-files.ts";

const help = `Usage: pnpm infra:nats --out DIR [--zone ZONE --instance NAME]...
       pnpm infra:nats provision --server URL --creds FILE   (provision --help says more)

Writes into DIR what a NATS server and its users need. Run again with the same DIR to add users.

  trust/                   operator and account keys (0600): keep them off the server
  nats-server.conf         operator mode
  accounts.conf            the accounts, included by it
  creds/provisioner.creds  makes the streams and buckets; with several tenants, creds/TENANT/ for each
  creds/ZONE-NAME.creds    one for each --zone/--instance pair; zones are ${zones.join(", ")}

  --out DIR           the folder; made when it is not there
  --zone, --instance  a user, in pairs and as often as wanted
  --tenant NAME       a tenant, and so an account of its own; repeat it for the others (default: sallyport).
                      Tenants are made at the first run. With several, a later run says whose the users are.
  --store DIR         where the server keeps its streams (default: /data/jetstream)
  --accounts DIR      where the server keeps its accounts (default: /data/accounts)
  --max-bytes N       bytes that all streams may take (default: 10 GiB)
  --cluster           several servers sync in the background; without it each write is synced before it is acknowledged
  --help              this text

A file that is there already is never overwritten: remove a creds file to make it anew.
`;

interface Arguments {
  out: string;
  users: readonly ZoneInstance[];
  tenants: readonly string[];
  store: string;
  accounts: string;
  maxBytes: number;
  cluster: boolean;
}

function readArguments(argv: readonly string[]): Arguments | undefined {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      out: { type: "string" },
      zone: { type: "string", multiple: true, default: [] },
      instance: { type: "string", multiple: true, default: [] },
      tenant: { type: "string", multiple: true, default: [] },
      store: { type: "string", default: "/data/jetstream" },
      accounts: { type: "string", default: "/data/accounts" },
      "max-bytes": { type: "string", default: String(10 * 1024 ** 3) },
      cluster: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return undefined;
  if (values.out === undefined) throw new Error("--out DIR is missing; --help shows the rest");
  if (values.zone.length !== values.instance.length) throw new Error("give one --instance for each --zone");
  const users = values.zone.map(
    (zone, index) => ({ zone, instance: values.instance[index] ?? "" }) as ZoneInstance,
  );
  // Wrong names end here, before anything is written.
  for (const who of users) permissionsFor(who, []);
  const { cluster, store, accounts, tenant } = values;
  const out = resolve(values.out);
  return { out, users, tenants: tenant, store, accounts, maxBytes: Number(values["max-bytes"]), cluster };
}

/** Does what the arguments say and tells what it wrote. Throws what a person should read. */
export async function run(argv: readonly string[], tell: (text: string) => void): Promise<void> {
  const [first, ...rest] = argv;
  if (first === "provision") return await provision(rest, tell);
  const args = readArguments(argv);
  if (args === undefined) {
    tell(help);
    return;
  }
  const trustFolder = join(args.out, "trust");
  const credsFolder = join(args.out, "creds");
  const stored = await loadTrust(trustFolder);
  const named = args.tenants.length > 0 ? { tenants: args.tenants } : {};
  const trust = stored ?? (await createTrust({ name: "sallyport", ...named }));
  const accountsFile = "accounts.conf";
  const config = serverConfig(trust, {
    jetstream: { dir: args.store, syncAlways: !args.cluster, maxBytes: args.maxBytes },
    resolver: { dir: args.accounts },
    accountsFile,
  });
  const tenants = trust.tenants();
  const tenant = tenantOf(args.users, args.tenants, tenants);
  const credsOf = async (tenant: string) => {
    const folder = tenants.length === 1 ? credsFolder : join(credsFolder, tenant);
    await mkdir(folder, { recursive: true, mode: 0o700 });
    return folder;
  };
  if (stored === undefined) {
    await storeTrust(trust, trustFolder);
    await writeNew(join(args.out, "nats-server.conf"), config);
    await writeNew(join(args.out, accountsFile), accountsConfig(trust));
    for (const one of tenants)
      await writeNew(
        join(await credsOf(one), "provisioner.creds"),
        await issueUser(trust, "provisioner", one),
      );
    tell(`New trust in ${args.out}\n`);
  }
  for (const who of args.users) {
    const file = join(await credsOf(tenant), `${who.zone}-${who.instance}.creds`);
    await writeOrExplain(file, await issueUser(trust, who, tenant));
    tell(`${file}\n`);
  }
}

/** Whose the users are. Users of one run are of one tenant. */
function tenantOf(
  users: readonly ZoneInstance[],
  named: readonly string[],
  known: readonly string[],
): string {
  const unknown = named.find((tenant) => !known.includes(tenant));
  if (unknown !== undefined) throw new Error(`there is no tenant ${unknown} here: ${known.join(", ")}`);
  const [tenant = "", ...others] = named.length > 0 ? named : known;
  if (users.length > 0 && others.length > 0) throw new Error("say whose the users are, with one --tenant");
  return tenant;
}

async function writeOrExplain(file: string, content: Uint8Array): Promise<void> {
  try {
    await writeNew(file, content);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    throw new Error(`${file} is there already and was left as it is: remove it to issue new credentials`, {
      cause: error,
    });
  }
}
