import { readFileSync } from "node:fs";
import { join } from "node:path";
import { connectBus } from "@sallyport/bus";
import { leakCheck, until } from "@sallyport/testkit";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { RpcMessage } from "./call.fixture.ts";
import { done, type Installed, sallyport, startInstalled } from "./installed.fixture.ts";

afterAll(leakCheck);
let all: Installed;
const soon = { within: 30_000 };

beforeAll(async () => {
  all = await startInstalled();
}, 240_000);
afterAll(() => all?.stop());

const bundle = (site: string) => join(all.folder, `${site}.bundle.json`);
/** What the operator's commands have made anew for a zone that had to hear of a change. */
const handedOut = (zone: string, site: string) =>
  join(all.installation, `bundles/acme/${zone}-${site}.bundle.json`);
const install = (site: string, file: string) => done("zone", "install", file, "--dir", all.dir(site));
const keyOf = (site: string): string =>
  JSON.parse(readFileSync(join(all.dir(site), "request.json"), "utf8")).keys.nats;
const succeeds = async () => (await all.call().catch(() => undefined))?.message.result !== undefined;

/** Calls one after the other until it is stopped. Returns the longest time in which none succeeded, in milliseconds. */
function keepCalling(): { stop(): Promise<{ longestGap: number; calls: number; failed: string[] }> } {
  const stopping = new AbortController();
  const running = (async () => {
    let [last, longestGap, calls] = [performance.now(), 0, 0];
    const failed: string[] = [];
    while (!stopping.signal.aborted) {
      const reply = await all
        .call()
        .catch((error: unknown) => ({ message: {} as RpcMessage, text: String(error) }));
      calls += 1;
      if (reply.message.result === undefined) failed.push(reply.text);
      else last = performance.now();
      longestGap = Math.max(longestGap, performance.now() - last);
    }
    return { longestGap, calls, failed };
  })();
  return {
    stop: async () => {
      stopping.abort();
      return await running;
    },
  };
}

/** Renews all keys of a zone while calls go on, as its owner and the operator do it. */
async function rotate(zone: "edge" | "connector", site: string, order: readonly (() => Promise<unknown>)[]) {
  const before = keyOf(site);
  await done("zone", "request", zone, "--site", site, "--out", all.dir(site), "--renew");
  const about = [zone, "--site", site, "--installation", all.installation];
  const file = `${bundle(site)}.rotated`;
  const request = join(all.dir(site), "request.json");
  await done("zone", "rotate", ...about, "--yes", "--request", request, "--out", file);
  const early = await sallyport("zone", "rotate", ...about, "--finish");
  expect(early).toMatchObject({
    code: 77,
    err: expect.stringContaining("not on the relay with its new key"),
  });
  const calling = keepCalling();
  for (const step of [...order, () => install(site, file)]) await step();
  const admin = await all.admin();
  const account = JSON.parse(readFileSync(join(all.installation, "trust/trust.json"), "utf8")).accounts.acme
    .id;
  const live = async () => (await admin.connected(account)).map(({ publicKey }) => publicKey);
  await until(
    "it is on the relay with its new key alone",
    async () => {
      const keys = await live();
      return keys.includes(keyOf(site)) && !keys.includes(before);
    },
    soon,
  );
  await done("zone", "rotate", ...about, "--finish");
  const { longestGap, calls, failed } = await calling.stop();
  console.log(
    `${zone} rotated: ${calls} calls, ${failed.length} failed, longest gap ${Math.round(longestGap)} ms`,
  );
  // What a reconnect cut is told so; nothing was refused for who calls, or by whom it came.
  for (const text of failed) expect(text).toContain("-31503");
  await until("calls succeed with the new keys", succeeds, soon);
  return { before };
}

it("zones are admitted, change their keys while calls go on, and are cut off within seconds, for good", async () => {
  // Each is told of the other: the edge's own bundle was made before there was a connector.
  const first = ["--operator", all.operator];
  await done("zone", "install", handedOut("edge", "edge-1"), "--dir", all.dir("edge-1"), ...first);
  const check = ["zone", "verify", bundle("paris"), "--dir", all.dir("paris"), "--online", ...first];
  expect(await done(...check)).toContain("signature, JWTs, authority, keys, relay are good");
  await done("zone", "install", bundle("paris"), "--dir", all.dir("paris"), ...first);
  const edge = await all.start("edge", "edge-1");
  const connector = await all.start("connector", "paris");
  const pids = [edge.pid, connector.pid];
  await until("a call is answered", succeeds, soon);

  await rotate("connector", "paris", [() => install("edge-1", handedOut("edge", "edge-1"))]);
  await install("paris", handedOut("connector", "paris"));
  const seals = readFileSync(join(all.dir("paris"), "seal.key"), "utf8")
    .trim()
    .split("\n");
  expect(seals, "the old seal key is gone").toHaveLength(1);
  await rotate("edge", "edge-1", [() => install("paris", handedOut("connector", "paris"))]);
  await install("paris", handedOut("connector", "paris"));
  const grants = readFileSync(join(all.dir("paris"), "edges/edge-1.pem"), "utf8").match(/BEGIN/g);
  expect(grants, "the edge's old key is gone").toHaveLength(1);
  await until("calls succeed after the old keys are gone", succeeds, soon);
  expect([edge.pid, connector.pid], "nothing was started anew").toEqual(pids);

  const key = keyOf("paris");
  const admin = await all.admin();
  const account = JSON.parse(readFileSync(join(all.installation, "trust/trust.json"), "utf8")).accounts.acme
    .id;
  const isOn = async () => (await admin.connected(account)).some(({ publicKey }) => publicKey === key);
  expect(await isOn()).toBe(true);
  const began = performance.now();
  const about = ["connector", "--site", "paris", "--installation", all.installation, "--json"];
  const said = JSON.parse(await done("zone", "revoke", ...about));
  const whole = Math.round(performance.now() - began);
  console.log(
    `revoked: off the relay ${said.relay.ms} ms after the command reached for it; whole command ${whole} ms`,
  );
  // The command's own deadline is what is promised: 5 s. That it is off is seen here, by asking the relay.
  expect(said.relay.off).toBe(true);
  expect(await isOn()).toBe(false);

  await install("edge-1", handedOut("edge", "edge-1"));
  await until("no connector is enrolled", async () => (await all.call()).status === 404, soon);
  const refused = () =>
    connectBus({
      servers: [`tls://localhost:${portOf(all)}`],
      who: { zone: "connector", instance: "paris" },
      credentials: { creds: join(all.dir("paris"), "nats.creds") },
      caFile: join(all.dir("paris"), "relay-ca.pem"),
      log: { info: () => {}, warn: () => {}, error: () => {} },
      patienceMs: 5_000,
    });
  await expect(refused()).rejects.toMatchObject({ code: "denied" });
  await all.relay.restart();
  await expect(refused()).rejects.toMatchObject({ code: "denied" });
  expect(await isOnAfterRestart()).toBe(false);

  async function isOnAfterRestart(): Promise<boolean> {
    const again = await all.admin();
    return (await again.connected(account)).some(({ publicKey }) => publicKey === key);
  }
}, 600_000);

const portOf = ({ installation }: Installed) =>
  /:(\d+)/.exec(
    JSON.parse(readFileSync(join(installation, "installation.json"), "utf8")).relay.servers[0],
  )?.[1];
