import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { openBucket } from "@sallyport/bus";
import { environmentKeyHash, environmentKeys } from "@sallyport/contracts";
import { leakCheck } from "@sallyport/testkit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Relay, sallyport, startRelay } from "../stack.fixture.ts";

afterAll(leakCheck);

let relay: Relay;
let config: string;

beforeAll(async () => {
  relay = await startRelay();
  config = relay.config();
});
afterAll(() => relay.stop());

const keys = (args: string[]) => sallyport(["environment-key", ...args, "--config", config]);

/** What an edge, as the user it is, finds under the id. */
async function found(id: string) {
  const bus = await relay.bus({ zone: "edge", instance: crypto.randomUUID() });
  return (await (await openBucket(bus, environmentKeys)).get(id))?.value;
}

test("a key is shown once, and only its hash is kept", async () => {
  const { code, out, err } = await keys(["create", "builds", "--label", "team a", "--json"]);
  expect({ code, err }).toEqual({ code: 0, err: "" });
  const { id, key, environment } = JSON.parse(out);
  expect([key.startsWith(`spek_${id}.`), environment]).toEqual([true, "builds"]);
  const entry = await found(id);
  expect(entry).toMatchObject({ environment: "builds", hash: environmentKeyHash(key), label: "team a" });
  const listed = await keys(["list", "--json"]);
  expect(JSON.parse(listed.out).keys).toContainEqual(expect.objectContaining({ id, label: "team a" }));
  expect(listed.out + JSON.stringify(entry)).not.toContain(key);
});

test("a key goes into a new file that nobody else can read, and never over one that is there", async () => {
  const file = join(relay.folder, "builds.key");
  const { code, out } = await keys(["create", "builds", "--out", file]);
  expect(code).toBe(0);
  const key = (await readFile(file, "utf8")).trim();
  expect(((await stat(file)).mode & 0o777).toString(8)).toBe("600");
  expect(out).not.toContain(key);
  const before = JSON.parse((await keys(["list", "--json"])).out).keys.length;
  const again = await keys(["create", "builds", "--out", file]);
  expect([again.code, (await readFile(file, "utf8")).trim()]).toEqual([2, key]);
  expect(JSON.parse((await keys(["list", "--json"])).out).keys.length).toBe(before);
});

test("a revoked key is gone, and one that is not there is said", async () => {
  const { id } = JSON.parse((await keys(["create", "builds", "--json"])).out);
  expect(await keys(["revoke", id])).toMatchObject({
    code: 0,
    out: `revoked: key ${id} of environment builds\n`,
  });
  expect(await found(id)).toBeUndefined();
  expect((await keys(["revoke", id])).code).toBe(1);
  expect((await keys(["revoke", "no such id"])).code).toBe(2);
  expect((await keys(["create", "not/a/pool"])).code).toBe(2);
});

test("a key whose entry somebody has overwritten can be revoked all the same", async () => {
  const { id } = JSON.parse((await keys(["create", "builds", "--json"])).out);
  const bus = await relay.bus({ zone: "operator", instance: crypto.randomUUID() });
  const bucket = await openBucket(bus, environmentKeys);
  await bucket.put(id, { junk: true } as never);
  expect((await keys(["revoke", id])).code).toBe(0);
  expect(await bucket.get(id)).toBeUndefined();
});
