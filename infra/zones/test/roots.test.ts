import { leakCheck } from "@sallyport/testkit";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { check, type Shown, type ZoneName } from "../index.ts";
import { record, walk } from "../src/resources.ts";
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
const reports = new Map<ZoneName, PromiseSettledResult<Report>>();

beforeAll(async () => {
  if ("missing" in available) return;
  const made = await aws<{ TransitGateway: { TransitGatewayId: string } }>(available.moto, [
    "ec2",
    "create-transit-gateway",
  ]);
  const image = await aws<string>(available.moto, [
    ...["ec2", "describe-images", "--owners", "amazon"],
    ...["--query", "Images[?RootDeviceType=='ebs'] | [0].ImageId"],
  ]);
  const waiting = [...names];
  const worker = async (): Promise<void> => {
    for (let zone = waiting.shift(); zone !== undefined; zone = waiting.shift()) {
      const options = { ...available, zone, transitGateway: made.TransitGateway.TransitGatewayId, image };
      const [report] = await Promise.allSettled([wholeLife(options)]);
      if (report !== undefined) reports.set(zone, report);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}, 900_000);
afterAll(async () => {
  if (!("missing" in available)) await available.moto.stop();
});
beforeEach(({ skip }) => skip("missing" in available, "missing" in available ? available.missing : ""));

/** Tested, planned, applied, planned again, destroyed: all that happens to a root, in a state of its own. */
async function wholeLife(
  options: RootOptions & { readonly moto: NonNullable<RootOptions["moto"]> },
): Promise<Report> {
  const root = await Root.open(options);
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

function of(zone: ZoneName): Report {
  const report = reports.get(zone);
  if (report?.status === "fulfilled") return report.value;
  throw report?.reason ?? new Error(`${zone} was not tried`);
}

describe.each(names)("the root of %s", (zone) => {
  it("keeps to its rules in what it would make", () => {
    const findings = check(of(zone).planned, zone);
    // The one policy that names something whose id AWS gives; it is read in what was made.
    const later = findings.filter(({ problem }) => problem === "has a policy that is known only later");
    const archive = 'module.service.aws_iam_role_policy.task["collector-1"]';
    expect(later.map(({ address }) => address)).toEqual(zone === "collector" ? [archive] : []);
    expect(findings.filter((one) => !later.includes(one))).toEqual([]);
  });

  it("keeps to its rules in what it has made", () => {
    expect(check(of(zone).applied, zone)).toEqual([]);
  });

  it("refuses what its guards are for", () => {
    expect(of(zone).tested).toMatch(/Success! [1-9]\d* passed, 0 failed/);
  });

  it("finds nothing to do when it is planned again", () => {
    expect(of(zone).again).toEqual(notToldByMoto[zone] ?? []);
  });

  it("leaves nothing when it is destroyed", () => {
    expect(of(zone).left).toEqual([]);
  });

  it("lets in what the documentation says, as AWS's own answer has it", () => {
    const permissions = of(zone).groups.flatMap(({ GroupName, IpPermissions }) =>
      IpPermissions.map((one) => ({
        port: `${GroupName.replace(/^sallyport-[a-z]+-/, "")}:${one.FromPort}${one.FromPort === one.ToPort ? "" : "-"}`,
        from: one.IpRanges.length > 0 ? "addresses" : "groups",
      })),
    );
    expect(permissions.map(({ port, from }) => `${port} from ${from}`).sort()).toEqual(ways[zone].in);
  });

  it("lets out what the documentation says", () => {
    expect(waysOut(walk(of(zone).planned).resources)).toEqual(ways[zone].out);
  });

  it("has a state of its own, and reads nobody else's", async () => {
    const types = walk(of(zone).planned).resources.map(({ type }) => type);
    expect(types.filter((type) => /remote_state/.test(type))).toEqual([]);
    expect(record(of(zone).planned).prior_state).toBeUndefined();
  });
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
