import { chmod, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { compilePolicies } from "@sallyport/policy";
import {
  type EgressDeps,
  type EgressProxy,
  type EgressRecord,
  openEgress,
  type Placeholder,
} from "@sallyport/sandbox-egress";

/** Everything is permitted, on any port: so what is refused all the same is refused by the proxy's own guards. */
const permitAll = `@id("all") permit(principal, action == Action::"http/request", resource) when { context.port > 0 };`;

export interface DoorOptions {
  /** Cedar; "" permits nothing. Everything is permitted unless told. */
  readonly policy?: string;
  readonly placeholders?: readonly Placeholder[];
  /** Credential → value. */
  readonly secrets?: Readonly<Record<string, string>>;
  /** Name → the addresses that a look-up gives, one list after the other and then the last. */
  readonly names?: Readonly<Record<string, readonly (readonly string[])[]>>;
  /** `host:port` → the address that our configuration gives it. */
  readonly addresses?: ReadonlyMap<string, string>;
}

/** The real egress proxy of one sandbox. */
export interface Door {
  readonly socket: string;
  readonly proxy: EgressProxy;
  readonly records: readonly EgressRecord[];
  /** Names that were looked up, in order. */
  readonly lookups: readonly string[];
}

export interface Doors {
  open(options?: DoorOptions): Promise<Door>;
  close(): Promise<void>;
}

const limits: EgressDeps["limits"] = {
  connections: 32,
  headerBytes: 16_384,
  headTimeoutMs: 5_000,
  connectTimeoutMs: 3_000,
  idleMs: 5_000,
  totalMs: 10_000,
};

export function doorsIn(folder: string): Doors {
  const proxies: EgressProxy[] = [];
  let count = 0;
  return {
    async open({ policy = permitAll, placeholders, secrets = {}, names = {}, addresses } = {}) {
      const directory = join(folder, `door-${count++}`);
      await mkdir(directory);
      await chmod(directory, 0o711);
      const socket = join(directory, "egress.sock");
      const records: EgressRecord[] = [];
      const lookups: string[] = [];
      const proxy = await openEgress(
        {
          sandbox: "boundary",
          socketPath: socket,
          identity: { agent: "attacker" },
          policy: compilePolicies([{ name: "boundary.cedar", text: policy }]).http,
          placeholders,
        },
        {
          record: (fields) => Promise.resolve(void records.push(fields)),
          lease: (name) => leased(secrets[name]),
          resolver: (name) => {
            const answers = names[name] ?? [];
            const before = lookups.filter((each) => each === name).length;
            lookups.push(name);
            return Promise.resolve([...(answers[Math.min(before, answers.length - 1)] ?? [])]);
          },
          addresses: addresses ?? new Map(),
          limits,
        },
      );
      proxies.push(proxy);
      return { socket, proxy, records, lookups };
    },
    async close() {
      await Promise.all(proxies.map((proxy) => proxy.close()));
    },
  };
}

async function leased(secret: string | undefined): Promise<{ value: Uint8Array }> {
  if (secret === undefined) throw new Error("no such credential");
  return { value: Buffer.from(secret) };
}
