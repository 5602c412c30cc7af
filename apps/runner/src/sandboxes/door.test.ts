import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AuditFields } from "@sallyport/audit";
import { LivePolicies } from "@sallyport/policy";
import { expect, onTestFinished, test } from "vitest";
import { writeAuthorities } from "./authorities.ts";
import type { CallContext } from "./call-context.ts";
import { type DoorDeps, openDoor } from "./door.ts";
import { EgressConfig } from "./egress-config.ts";
import { PlacedSecrets } from "./placed-secrets.ts";

const context: CallContext = {
  who: { agent: "a", user: undefined, grant: "g" },
  traceparent: undefined,
  credential: () => Promise.reject(new Error("not asked for here")),
  ask: () => Promise.reject(new Error("not asked here")),
};
const owner = { handle: "r1.x", principal: "p", context: () => context };
const binding = { host: "git.example", place: { in: "basic" } };

async function world(egress: object): Promise<DoorDeps> {
  const folder = mkdtempSync(join(tmpdir(), "door-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "p.cedar");
  writeFileSync(file, '@id("all") permit(principal, action == Action::"http/request", resource);\n');
  const records: AuditFields[] = [];
  return {
    folder: mkdtempSync(join(folder, "doors-")),
    ...{ pool: "p", tenant: "t", placed: new PlacedSecrets() },
    authorities: await writeAuthorities(folder, "p"),
    egress: EgressConfig.parse(egress),
    policies: await LivePolicies.open([file]),
    audit: { append: async (fields) => void records.push(fields) },
  };
}

test("a sandbox holds placeholders in its variables and files, the same for one credential, and others than its neighbour's", async () => {
  const deps = await world({
    credentials: { GIT_TOKEN: { credential: "git", prefix: "ghp_", length: 36, bindings: [binding] } },
    files: { "/tmp/home/.netrc": "machine git.example login git password {{git}}\n" },
  });
  const [door, other] = [await openDoor(deps, owner), await openDoor(deps, owner)];
  const { GIT_TOKEN: token = "" } = door.environment;
  expect(token).toMatch(/^ghp_[A-Za-z0-9]{36}$/);
  const netrc = Buffer.from(door.files.get("/tmp/home/.netrc") ?? "").toString();
  expect(netrc).toBe(`machine git.example login git password ${token}\n`);
  expect(other.environment.GIT_TOKEN).not.toBe(token);
  // The door vouches for that host: PEM for most, and Java's own store.
  expect(readFileSync(door.certificates, "utf8")).toContain("BEGIN CERTIFICATE");
  expect(door.files.get(door.javaTrust ?? "")?.length).toBeGreaterThan(1_000);
  await Promise.all([door.close(), other.close()]);
  expect(readdirSync(deps.folder)).toEqual([]);
});

test("doors that vouch for no host share one file of authorities; one that does adds itself to its own copy", async () => {
  const plain = await world({});
  const shared = readFileSync(plain.authorities.file, "utf8");
  const doors = [await openDoor(plain, owner), await openDoor(plain, owner)];
  expect(doors.map(({ certificates }) => certificates)).toEqual(Array(2).fill(plain.authorities.file));
  const vouching = await openDoor(
    await world({ credentials: { GIT: { credential: "git", bindings: [binding] } } }),
    owner,
  );
  doors.push(vouching);
  const own = readFileSync(vouching.certificates, "utf8");
  expect(own.startsWith(shared)).toBe(true);
  expect(own.slice(shared.length).match(/BEGIN CERTIFICATE/g)).toHaveLength(1);
  await Promise.all(doors.map((door) => door.close()));
  // The pool's file is there for the next sandbox.
  expect(readFileSync(plain.authorities.file, "utf8")).toBe(shared);
});

test("a file that names a credential which the pool does not have opens no door, and leaves nothing", async () => {
  const deps = await world({ files: { "/workspace/.npmrc": "{{npm}}" } });
  await expect(openDoor(deps, owner)).rejects.toThrow("npm");
  expect(readdirSync(deps.folder)).toEqual([]);
});

test("a door is opened for a call alone: without one nobody is recorded", async () => {
  const deps = await world({});
  await expect(openDoor(deps, { ...owner, context: () => undefined })).rejects.toThrow("for a call");
});

test.each([
  [{ credentials: { "1x": { credential: "git", bindings: [binding] } } }, "a variable's name"],
  [{ credentials: { X: { credential: "git", bindings: [] } } }, "bindings"],
  [
    { credentials: { X: { credential: "git", bindings: [{ ...binding, host: "Git.example" }] } } },
    "lower case",
  ],
  [{ files: { "/etc/passwd": "" } }, "below /workspace or /tmp"],
  [{ addresses: { "no-port": "127.0.0.1" } }, "host:port"],
])("settings that would not do what they say are refused: %j", (egress, why) => {
  const read = EgressConfig.safeParse(egress);
  expect(JSON.stringify(read.error?.issues)).toContain(why);
});
