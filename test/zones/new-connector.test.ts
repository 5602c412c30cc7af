import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { leakCheck, type Server, startServer, until } from "@sallyport/testkit";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parse, stringify } from "yaml";
import { done, type Installed, startInstalled } from "../e2e/installed.fixture.ts";
import { networkProblem, openIsland } from "./network.fixture.ts";
import { logged, openRoads, type Roads } from "./roads.fixture.ts";

afterAll(leakCheck);
const root = join(import.meta.dirname, "../..");
const site = "lyon";

const problem = await networkProblem();
if (problem !== undefined) console.warn(`NOT RUN: a new connector on a host of its own: ${problem}`);

describe.skipIf(problem !== undefined)("who owns a connector, and nothing else", () => {
  let all: Installed;
  let island: Awaited<ReturnType<typeof openIsland>>;
  let roads: Roads;
  let connector: Server | undefined;
  beforeAll(async () => {
    all = await startInstalled();
    island = await openIsland();
    roads = openRoads(island, all.folder);
  }, 240_000);
  afterAll(async () => {
    await connector?.stop();
    await roads?.close();
    await island?.remove();
    await all?.stop();
  });

  /** Of the connector's host: a network that reaches relay, issuer and private server, and no environment. */
  const there = async (...args: string[]) => {
    const [command, ...enter] = island.enter("connector");
    const cli = ["--disable-warning=ExperimentalWarning", join(root, "apps/cli/main.ts")];
    return (await promisify(execFile)(command, [...enter, process.execPath, ...cli, ...args], { env: {} }))
      .stdout;
  };
  const handedOut = (zone: string, name: string) =>
    join(all.installation, `bundles/acme/${zone}-${name}.bundle.json`);

  it("deploys it with its bundle alone, and it serves a call", async () => {
    const paris = parse(readFileSync(join(all.folder, "paris.yaml"), "utf8")) as {
      servers: { crm: { url: string } };
    };
    const { relay, tokens } = JSON.parse(readFileSync(handedOut("edge", "edge-1"), "utf8")) as {
      relay: { servers: [string] };
      tokens: { jwksUrl: string };
    };
    for (const url of [relay.servers[0], tokens.jwksUrl, paris.servers.crm.url]) {
      const port = Number(new URL(url).port);
      await roads.front("connector", { port, to: port });
    }
    const dir = join(all.folder, site);
    await mkdir(dir);
    const settings = join(all.folder, "lyon.yaml");
    await writeFile(settings, stringify({ ...paris, health: { socket: join(dir, "health.sock") } }));
    const first = ["--operator", all.operator];
    await done("zone", "install", handedOut("edge", "edge-1"), "--dir", all.dir("edge-1"), ...first);
    await all.start("edge", "edge-1");

    const bundle = join(all.folder, "lyon.bundle.json");
    const began = performance.now();
    await there("zone", "request", "connector", "--site", site, "--out", dir);
    // The operator, elsewhere.
    await done(
      ...["zone", "bundle", "connector", "--site", site, "--installation", all.installation, "--yes"],
      ...["--request", join(dir, "request.json"), "--settings", settings, "--servers", "crm"],
      ...["--out", bundle],
    );
    await done("zone", "install", handedOut("edge", "edge-1"), "--dir", all.dir("edge-1"));
    // Back on the connector's host.
    expect(await there("zone", "verify", bundle, "--dir", dir, "--online", ...first)).toContain(
      "relay are good",
    );
    await there("zone", "install", bundle, "--dir", dir, ...first);
    const [command, ...enter] = island.enter("connector");
    const main = ["--disable-warning=ExperimentalWarning", join(root, "apps/connector/main.ts")];
    connector = await startServer({
      ...{ name: site, command, folder: dir, temporary: false, readyWithin: 30_000 },
      args: [...enter, process.execPath, ...main, "--config", join(dir, "connector.yaml")],
      ready: logged(join(dir, `${site}.log`), "a tunnel is open"),
    });
    await until("a call is answered", async () => (await all.call()).message.result !== undefined, {
      within: 30_000,
    });
    console.log(
      `from an empty host to a call that a connector served: ${Math.round(performance.now() - began)} ms`,
    );
  }, 120_000);
});
