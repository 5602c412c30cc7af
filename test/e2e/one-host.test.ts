import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { leakCheck, NotToBeHad, until } from "@sallyport/testkit";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type Host, root, startHost } from "./one-host.fixture.ts";
import { zones } from "./one-host-files.fixture.ts";

afterAll(leakCheck);

let host: Host;
let missing: string | undefined;

beforeAll(async () => {
  try {
    host = await startHost((text) => console.warn(text));
  } catch (error) {
    if (!(error instanceof NotToBeHad)) throw error;
    missing = error.message;
    console.warn(`NOT TESTED: images and the compose file. ${missing}`);
  }
}, 600_000);
afterAll(async () => {
  await host?.stop();
}, 120_000);
beforeEach(({ skip }) => skip(missing !== undefined, missing ?? ""));

const everyone = ["relay", ...zones] as const;
type Name = (typeof everyone)[number];

const inspect = async <T>(name: Name, format: string): Promise<T> =>
  JSON.parse(await host.engine.docker("inspect", "--format", `{{json ${format}}}`, name)) as T;

/** A script of Node in the container itself, as the user that it runs as. */
const inside = (zone: (typeof zones)[number], script: string) =>
  host.engine.docker("exec", zone, "node", "-e", script);

type Dial = "connects" | "dropped" | "ECONNREFUSED" | "ENETUNREACH" | "EHOSTUNREACH";

/** What comes of a dial to each of these, in their order. Waits two seconds for those that are dropped. */
const dials = (targets: readonly string[]) => `import { connect } from "node:net";
  const dial = (target) => new Promise((resolve) => {
    const [host, port] = target.split(":");
    const socket = connect({ host, port: Number(port), timeout: 2_000 });
    const end = (how) => { resolve(how); socket.destroy(); };
    socket.once("connect", () => end("connects")).once("timeout", () => end("dropped"));
    socket.once("error", ({ code }) => end(code));
  });
  console.log(JSON.stringify(await Promise.all(${JSON.stringify(targets)}.map(dial))));`;

const dialsOf = async (from: Name, targets: readonly string[]): Promise<Dial[]> =>
  JSON.parse(await host.inContainer(`container:${from}`, dials(targets))) as Dial[];

describe("every zone of the compose file on one host", () => {
  it("carries an agent's call through edge, relay and connector to a private server, with a leased credential", async () => {
    expect(await host.call("orders", "get_order", { id: "A-1001" })).toContain("A-1001");
  });

  it("runs an agent's command in a sandbox of its runner", { timeout: 120_000 }, async () => {
    const command = "echo $((6 * 7)); ls -d /zone /sallyport/main.js 2>&1";
    // It is alive before its sandboxes have withstood its attacks, and only then offers its pool.
    const ran = await until("the runner's pool", () => host.call("sandbox", "bash", { command }), {
      within: 90_000,
      every: 1_000,
    }).catch(async (error: Error) => {
      throw new Error(`${error.message}\n${await host.engine.logs("runner")}`);
    });
    expect(ran).toMatch(/^42\b/);
    expect(ran.match(/No such file/g)).toHaveLength(2);
  });

  it("is healthy by its image's own health check", async () => {
    for (const zone of zones) expect(await inspect(zone, ".State.Health.Status")).toBe("healthy");
  });

  it.each(everyone)(
    "%s runs as nobody, without capabilities, with bounds, on a file system that it cannot write",
    async (name) => {
      const config = await inspect<Record<string, unknown>>(name, ".HostConfig");
      expect(config).toMatchObject({
        ReadonlyRootfs: true,
        CapDrop: ["ALL"],
        SecurityOpt: expect.arrayContaining(["no-new-privileges:true"]),
        Privileged: false,
      });
      expect(config.PidsLimit).toBeGreaterThan(0);
      expect(config.Memory).toBeGreaterThan(0);
      expect(await inspect(name, ".Config.User")).toBe("65532:65532");
    },
  );

  it.each(zones)(
    "%s cannot write its program, its settings or its secrets, and is nobody with no rights",
    async (zone) => {
      const script = `const { readFileSync, writeFileSync } = require("node:fs");
      const tried = ["/sallyport/main.js", "/zone/nats.creds", "/new"].map((path) => {
        try { writeFileSync(path, "x"); return "written"; } catch ({ code }) { return code; }
      });
      const [, rights] = /CapEff:\\s*(\\w+)/.exec(readFileSync("/proc/self/status", "utf8"));
      console.log(JSON.stringify({ tried, rights, user: process.getuid() }));`;
      const { tried, ...who } = JSON.parse(await inside(zone, script)) as { tried: string[] };
      expect(tried.filter((outcome) => !["EROFS", "ENOENT"].includes(outcome))).toEqual([]);
      expect(who).toEqual({ rights: "0000000000000000", user: 65_532 });
    },
  );

  it("has no secret in an environment, a command line or an image", async () => {
    const seeds = await Promise.all(
      zones.map(async (zone) => (await readFile(join(host.files, zone, "nats.seed"), "utf8")).trim()),
    );
    const whole = await host.engine.docker(
      "inspect",
      ...everyone,
      ...zones.map((zone) => `sallyport-${zone}:test`),
    );
    for (const seed of seeds) expect(whole).not.toContain(seed);
  });
});

describe("who dials whom", { timeout: 120_000 }, () => {
  it("only edge and relay listen", async () => {
    const script = `import { readFileSync } from "node:fs";
      const rows = ["tcp", "tcp6"].flatMap((name) => readFileSync("/proc/net/" + name, "utf8").trim().split("\\n").slice(1));
      const listening = rows.map((row) => row.trim().split(/\\s+/)).filter(([, , , state]) => state === "0A");
      // 127.0.0.11 is the engine's own name server.
      const others = listening.filter(([, local]) => !local.startsWith("0B00007F"));
      console.log(JSON.stringify(others.map(([, local]) => parseInt(local.split(":")[1], 16))));`;
    const ports = everyone.map(async (name) => [
      name,
      JSON.parse(await host.inContainer(`container:${name}`, script)) as number[],
    ]);
    expect(Object.fromEntries(await Promise.all(ports))).toEqual({
      ...{ relay: [4222], edge: [8443], connector: [], broker: [], collector: [], runner: [] },
    });
  });

  it.each(zones)("the %s reaches the relay on its own network, and nobody else's address", async (from) => {
    const addresses = await addressesOf(everyone);
    const own = `sallyport_${from}-relay`;
    const relay = addresses.relay.get(own);
    // Where the edge and the relay do listen, on every address that they have.
    const others = [
      ...[...addresses.relay].filter(([network]) => network !== own).map(([, address]) => `${address}:4222`),
      ...(from === "edge" ? [] : [...addresses.edge.values()].map((address) => `${address}:8443`)),
    ];
    expect(others.length).toBeGreaterThan(3);
    const [toRelay, ...toOthers] = await dialsOf(from, [`${relay}:4222`, ...others]);
    expect(toRelay).toBe("connects");
    expect(toOthers).not.toContain("connects");
  });

  it("a relay that was taken over dials no zone, whatever is made to listen there", async () => {
    const { docker, onHost } = host.engine;
    const image = await inspect<string>("edge", ".Image");
    const listen = `require("node:net").createServer((socket) => socket.end()).listen(8080)`;
    for (const zone of zones) {
      const at = ["--name", `planted-${zone}`, "--network", `container:${zone}`, "--entrypoint", "node"];
      await docker("run", "--detach", ...at, image, "-e", listen);
    }
    const addresses = await addressesOf(everyone);
    const own = (zone: (typeof zones)[number]) => `sallyport_${zone}-relay`;
    const planted = zones.map((zone) => `${addresses[zone].get(own(zone))}:8080`);
    // Without the rules it does reach them: else what follows would show nothing.
    const reached = async () => (await dialsOf("relay", planted)).every((how) => how === "connects");
    await until("what was planted answering the relay", reached, { within: 30_000 });
    await onHost("iptables-restore", "--noflush", join(root, "infra/compose/direction.rules"));
    expect(await dialsOf("relay", planted)).toEqual(zones.map(() => "dropped"));
    for (const zone of zones)
      expect(await dialsOf(zone, [`${addresses.relay.get(own(zone))}:4222`])).toEqual(["connects"]);
    expect(await host.call("orders", "get_order", { id: "A-1002" })).toContain("A-1002");
    for (const zone of zones) await docker("rm", "--force", `planted-${zone}`);
  });
});

async function addressesOf<N extends Name>(names: readonly N[]): Promise<Record<N, Map<string, string>>> {
  const found = await Promise.all(
    names.map(async (name) => {
      const networks = await inspect<Record<string, { IPAddress: string }>>(
        name,
        ".NetworkSettings.Networks",
      );
      return [
        name,
        new Map(Object.entries(networks).map(([network, { IPAddress }]) => [network, IPAddress])),
      ];
    }),
  );
  return Object.fromEntries(found) as Record<N, Map<string, string>>;
}
