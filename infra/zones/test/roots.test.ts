import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { leakCheck } from "@sallyport/testkit";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { check, type Shown, type ZoneName } from "../index.ts";
import { walk } from "../src/resources.ts";
import { waysOut } from "../src/rules/way-out.ts";
import { aws, Root, type RootOptions, toolsAndMoto } from "./aws.fixture.ts";

afterAll(leakCheck);

/** Those with a load balancer first: Terraform waits a minute for one, and the others work meanwhile. */
const names = ["relay", "edge", "runner", "connector", "broker", "collector"] as const satisfies ZoneName[];
const atOnce = 3;

interface Report {
  readonly tested: string;
  readonly planned: Shown;
  readonly applied: Shown;
  readonly groups: readonly Group[];
  readonly again: readonly string[];
  readonly left: readonly string[];
}

interface Group {
  readonly GroupName: string;
  readonly IpPermissions: readonly {
    FromPort: number;
    ToPort: number;
    IpRanges: unknown[];
    UserIdGroupPairs: unknown[];
  }[];
}

const available = await toolsAndMoto();
/** Of each root, from the start on; the tests wait for them. */
const lives = new Map<ZoneName, PromiseWithResolvers<Report>>(
  names.map((zone) => [zone, Promise.withResolvers()]),
);
const patience = { timeout: 1_800_000 };
let finished: Promise<unknown> = Promise.resolve();

beforeAll(async () => {
  if ("missing" in available) return;
  const image = await aws<string>(available.moto, [
    ...["ec2", "describe-images", "--owners", "amazon"],
    ...["--query", "Images[?RootDeviceType=='ebs'] | [0].ImageId"],
  ]);
  const waiting = [...lives];
  const worker = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const [zone, { resolve, reject, promise }] = next;
      promise.catch(() => {}); // each test of it tells
      await wholeLife({ ...available, zone, image }).then(resolve, reject);
    }
  };
  finished = Promise.all(Array.from({ length: atOnce }, worker));
}, 300_000);
afterAll(async () => {
  await finished;
  if (!("missing" in available)) await available.moto.stop();
}, patience.timeout);
beforeEach(({ skip }) => skip("missing" in available, "missing" in available ? available.missing : ""));

/** Tested, planned, applied, planned again, destroyed: all that happens to a root, in a state of its own. */
async function wholeLife(
  options: RootOptions & { readonly moto: NonNullable<RootOptions["moto"]> },
): Promise<Report> {
  // One for each: moto loses an attachment that is made while another is.
  const { TransitGateway: gateway } = await aws<{ TransitGateway: { TransitGatewayId: string } }>(
    options.moto,
    ["ec2", "create-transit-gateway"],
  );
  const root = await Root.open({ ...options, transitGateway: gateway.TransitGatewayId });
  try {
    const tested = await root.test();
    const planned = await root.plan();
    const applied = await root.applyPlan();
    const [vpc] = walk(applied).resources.filter(({ type }) => type === "aws_vpc");
    const filter = ["--filters", `Name=vpc-id,Values=${String(vpc?.values.id)}`];
    const { SecurityGroups: groups } = await aws<{ SecurityGroups: Group[] }>(options.moto, [
      ...["ec2", "describe-security-groups"],
      ...filter,
    ]);
    const again = await root.planAgain();
    await root.letGo();
    await root.destroy();
    const { Vpcs: left } = await aws<{ Vpcs: { VpcId: string }[] }>(options.moto, [
      "ec2",
      "describe-vpcs",
      ...filter,
    ]);
    return { tested, planned, applied, groups, again, left: left.map(({ VpcId }) => VpcId) };
  } finally {
    await root.close();
  }
}

async function of(zone: ZoneName): Promise<Report> {
  const life = lives.get(zone);
  if (life === undefined) throw new Error(`${zone} is not tried`);
  return await life.promise;
}

describe.each(names)("the root of %s", patience, (zone) => {
  it("keeps to its rules in what it would make", async () => {
    const findings = check((await of(zone)).planned, zone);
    // The one policy that names something whose id AWS gives; it is read in what was made.
    const later = findings.filter(({ problem }) => problem === "has a policy that is known only later");
    const archive = 'module.service.aws_iam_role_policy.task["collector-1"]';
    expect(later.map(({ address }) => address)).toEqual(zone === "collector" ? [archive] : []);
    expect(findings.filter((one) => !later.includes(one))).toEqual([]);
  });

  it("keeps to its rules in what it has made", async () => {
    expect(check((await of(zone)).applied, zone)).toEqual([]);
  });

  it("refuses what its guards are for", async () => {
    expect((await of(zone)).tested).toMatch(/Success! [1-9]\d* passed, 0 failed/);
  });

  it("finds nothing to do when it is planned again", async () => {
    expect((await of(zone)).again).toEqual(notToldByMoto[zone] ?? []);
  });

  it("leaves nothing when it is destroyed", async () => {
    expect((await of(zone)).left).toEqual([]);
  });

  it("lets in what the documentation says, as AWS's own answer has it", async () => {
    const permissions = (await of(zone)).groups.flatMap(({ GroupName, IpPermissions }) =>
      IpPermissions.map((one) => ({
        port: `${GroupName.replace(/^sallyport-[a-z]+-/, "")}:${one.FromPort}${one.FromPort === one.ToPort ? "" : "-"}`,
        from: one.IpRanges.length > 0 ? "addresses" : "groups",
      })),
    );
    expect(permissions.map(({ port, from }) => `${port} from ${from}`).sort()).toEqual(ways[zone].in);
  });

  it("lets out what the documentation says", async () => {
    expect(waysOut(walk((await of(zone)).planned).resources)).toEqual(ways[zone].out);
  });

  it("has a state of its own, and looks nothing up: neither another root's nor in AWS", async () => {
    expect(JSON.stringify((await of(zone)).planned)).not.toMatch(/"mode":"data"/);
    const versions = await readFile(join(import.meta.dirname, `../${zone}/versions.tf`), "utf8");
    expect(versions).toContain(`key          = "sallyport/${zone}.tfstate"`);
  });
});

describe.each(["relay", "runner"] as const)("a machine of %s", patience, (zone) => {
  it("is given scripts that a shell takes, and in which no secret is", async () => {
    const found = walk((await of(zone)).planned).resources.flatMap(({ values }) =>
      [values.user_data, values.user_data_base64].filter((one) => typeof one === "string" && one !== ""),
    );
    expect(found.length).toBe(zone === "relay" ? 3 : 1);
    for (const encoded of found) {
      const boot = Buffer.from(String(encoded), "base64").toString();
      const scripts = [...boot.matchAll(/^echo '([A-Za-z0-9+/=]+)' \| base64 -d >\S+\.sh$/gm)];
      expect(scripts.length).toBe(2);
      const texts = [boot, ...scripts.map(([, text = ""]) => Buffer.from(text, "base64").toString())];
      for (const text of texts) await promisify(execFile)("/bin/sh", ["-n", "-c", text]);
      expect(texts.join("\n")).not.toMatch(/PRIVATE KEY|\bS[UAO][A-Z2-7]{56}\b/);
    }
  });
});

it("all of it is as `terraform fmt` writes it", async () => {
  if ("missing" in available) return;
  for (const folder of ["zones", "modules", "envs"]) {
    const args = ["fmt", "-check", "-recursive", join(import.meta.dirname, "../..", folder)];
    const { stdout } = await promisify(execFile)(available.terraform, args, {
      env: { PATH: "/usr/bin:/bin", CHECKPOINT_DISABLE: "1" },
    });
    expect(stdout).toBe("");
  }
});

/** What was set and moto does not answer. */
const notToldByMoto: Readonly<Partial<Record<ZoneName, readonly string[]>>> = {
  relay: ["module.front_door.aws_lb.door: enforce_security_group_inbound_rules_on_private_link_traffic"],
};

/** The table of infra/zones/README.md: `{group}:{port}` inside, and who may dial it; what may be dialled. */
const endpoints = ["endpoints:443 from groups"];
const aws443 = ["To the endpoints:443", "To the gateway endpoint of S3:443"];
const toRelay = "To the endpoints:4222";
const ways: Readonly<Record<ZoneName, { readonly in: readonly string[]; readonly out: readonly string[] }>> =
  {
    edge: {
      in: ["door:443 from addresses", "endpoints:4222 from groups", ...endpoints, "zone:8443 from groups"],
      out: ["192.0.2.10/32:443", "To https:8443", toRelay, ...aws443].sort(),
    },
    relay: {
      in: [
        ...["door:4222 from addresses", "door:443 from addresses", ...endpoints],
        ...["zone:4222 from groups", "zone:443 from groups", "zone:6222 from groups"],
      ],
      out: ["Routes, to the other relays:6222", "To nats:4222", "To websocket:443", ...aws443].sort(),
    },
    connector: {
      in: ["endpoints:4222 from groups", ...endpoints],
      out: ["10.8.1.10/32:8443", "10.8.2.0/28:443", "192.0.2.10/32:443", toRelay, ...aws443].sort(),
    },
    runner: {
      in: ["endpoints:4222 from groups", ...endpoints],
      out: ["10.8.1.10/32:8443", "192.0.2.10/32:443", toRelay, ...aws443].sort(),
    },
    broker: {
      in: ["endpoints:4222 from groups", ...endpoints],
      out: ["10.9.0.5/32:8200", toRelay, ...aws443].sort(),
    },
    collector: {
      in: ["endpoints:4222 from groups", ...endpoints],
      out: ["10.9.1.8/32:443", toRelay, ...aws443].sort(),
    },
  };
