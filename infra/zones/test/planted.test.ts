import { cp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { leakCheck } from "@sallyport/testkit";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type CheckedFinding, check } from "../index.ts";
import { Root, toolsAndMoto } from "./aws.fixture.ts";

afterAll(leakCheck);

const available = await toolsAndMoto();
let root: Root | undefined;
let findings: CheckedFinding[];

/** Lines of the modules that hold a promise, each with what somebody might make of it. */
const edits: readonly (readonly [file: string, from: string, to: string])[] = [
  ["modules/fargate-zone/main.tf", "assign_public_ip = false", "assign_public_ip = true"],
  ["modules/fargate-zone/main.tf", "readonlyRootFilesystem = true", "readonlyRootFilesystem = false"],
  ["modules/fargate-zone/main.tf", "fargate_ephemeral_storage_kms_key_id = var.logs.key_arn", ""],
  ["modules/fargate-zone/main.tf", '"NET_RAW"', '"KILL"'],
  [
    "modules/fargate-zone/main.tf",
    'containerName = "install", condition = "SUCCESS"',
    'containerName = "install", condition = "START"',
  ],
  ["modules/key/main.tf", "enable_key_rotation     = true", "enable_key_rotation     = false"],
  ["modules/network/flow-log.tf", "kms_key_id        = var.logs.key_arn", ""],
  // The endpoints' group, handed out: somebody can give it to what runs.
  ["modules/network/outputs.tf", "aws_security_group.zone.id", "aws_security_group.endpoints.id"],
  ["modules/network/endpoints.tf", "Condition = local.own_account\n    }]", "}]"],
];

beforeAll(async () => {
  if ("missing" in available) return;
  root = await Root.open({ ...available, zone: "connector" }, async (folder) => {
    await cp(join(import.meta.dirname, "planted.tf.txt"), join(folder, "zones/connector/planted.tf"));
    for (const [file, from, to] of edits) {
      const text = await readFile(join(folder, file), "utf8");
      if (!text.includes(from)) throw new Error(`${file} has no ${from}: plant something else`);
      await writeFile(join(folder, file), text.replace(from, to));
    }
  });
  findings = check(await root.plan(), "connector");
}, 300_000);
afterAll(async () => {
  await root?.close();
  if (!("missing" in available)) await available.moto.stop();
});
beforeEach(({ skip }) => skip("missing" in available, "missing" in available ? available.missing : ""));

const problemsOf = (rule: string, address: string) =>
  findings.filter((one) => one.rule === rule && one.address === address).map(({ problem }) => problem);

const task = 'module.service.aws_ecs_task_definition.app["paris"]';

describe("what is planted in a private zone is found", () => {
  it.each([
    ["wayIn", "aws_security_group.inline", /lets something in, inline/],
    ["wayIn", "aws_default_security_group.open", /lets something in, inline/],
    ["wayIn", "aws_security_group_rule.in", /lets something in;/],
    ["wayIn", "aws_vpc_security_group_ingress_rule.addresses", /lets addresses in/],
    ["wayIn", "aws_vpc_security_group_ingress_rule.program", /no endpoint's own door/],
    ["wayIn", "aws_vpc_security_group_ingress_rule.any_port", /more than one TCP port/],
    [
      "wayIn",
      'module.network.aws_vpc_security_group_ingress_rule.endpoints["443"]',
      /no endpoint's own door/,
    ],
    ["wayInByAcl", "aws_network_acl.in", /lets in 0\.0\.0\.0\/0 at 22/],
    ["wayInByAcl", "aws_network_acl_rule.in", /rule of its own/],
    ["defaultsClosed", "aws_vpc.open", /no aws_default_security_group/],
    ["defaultsClosed", "aws_vpc.open", /no aws_default_route_table/],
    ["defaultsClosed", "aws_vpc.open", /no aws_default_network_acl/],
    ["defaultsClosed", "aws_vpc.open", /no aws_flow_log/],
    ["wayOut", "aws_security_group.inline", /lets something out, inline/],
    ["wayOut", "aws_security_group_rule.out", /lets something out;/],
    ["wayOut", "aws_vpc_security_group_egress_rule.everywhere", /lets out to 0\.0\.0\.0\/0/],
    ["wayOut", "aws_vpc_security_group_egress_rule.any_port", /more than one TCP port/],
    ["wayOut", "aws_vpc_security_group_egress_rule.ipv6", /IPv6/],
    ["publicAddress", "aws_internet_gateway.way", /way to the internet/],
    ["publicAddress", "aws_eip.address", /way to the internet/],
    ["publicAddress", "aws_subnet.public", /public addresses/],
    ["publicAddress", "aws_route.everywhere", /leads everywhere/],
    ["publicAddress", "aws_instance.lax", /public addresses/],
    ["publicAddress", "aws_launch_template.lax", /public addresses/],
    ["publicAddress", "aws_ecs_service.entered", /public addresses/],
    ["publicAddress", 'module.service.aws_ecs_service.app["paris"]', /public addresses/],
    ["knownTypes", "aws_lb.listens", /no kind of resource/],
    ["knownTypes", "aws_sns_topic.unknown", /no kind of resource/],
    ["knownTypes", "aws_vpc_peering_connection.unknown", /no kind of resource/],
    ["knownTypes", "aws_instance.lax", /no kind of resource/],
    ["policies", "aws_iam_role.everybodys", /for everybody/],
    ["policies", "aws_iam_role.everybodys", /managed_policy_arns/],
    ["policies", "aws_iam_role.confused", /another account/],
    ["policies", "aws_iam_role_policy.any_action", /every action of s3:\*/],
    ["policies", "aws_iam_role_policy.any_resource", /on everything/],
    ["policies", "aws_iam_role_policy.any_secret", /by a pattern/],
    ["policies", "aws_iam_role_policy.not_action", /not meant/],
    ["policies", "aws_iam_role_policy.unreadable", /known only later/],
    ["policies", "aws_vpc_endpoint.carries_all", /AWS's allows all|known only later/],
    ["policies", "aws_kms_key.everybodys", /for everybody/],
    ["policies", 'module.network.aws_vpc_endpoint.service["logs"]', /other accounts/],
    ["noAttachedRights", "aws_iam_role_policy_attachment.attached", /does not write out/],
    ["encryption", "aws_cloudwatch_log_group.plain", /not encrypted by a key/],
    ["encryption", "aws_cloudwatch_log_group.plain", /less than 90 days/],
    ["encryption", "module.network.aws_cloudwatch_log_group.flow", /not encrypted by a key/],
    ["encryption", "aws_ebs_volume.plain", /not encrypted/],
    ["encryption", "aws_instance.lax", /not encrypted/],
    ["encryption", "aws_launch_template.lax", /not encrypted/],
    ["encryption", "aws_s3_bucket.bare", /no aws_s3_bucket_versioning/],
    ["encryption", "aws_s3_bucket.bare", /no aws_s3_bucket_server_side_encryption/],
    ["encryption", "aws_s3_bucket_public_access_block.half", /no restrict_public_buckets/],
    ["encryption", "aws_ecs_cluster.plain", /disks without a key/],
    ["encryption", "module.service.aws_ecs_cluster.zone", /disks without a key/],
    ["encryption", "module.key.aws_kms_key.zone", /never rotated/],
    ["machines", "aws_instance.lax", /IMDSv1/],
    ["machines", "aws_instance.lax", /SSH/],
    ["machines", "aws_launch_template.lax", /more than one hop/],
    ["containers", "aws_ecs_task_definition.lax", /shares a network/],
    ["containers", "aws_ecs_task_definition.lax", /write into its image/],
    ["containers", "aws_ecs_task_definition.lax", /privileged/],
    ["containers", "aws_ecs_task_definition.lax", /runs as root/],
    ["containers", "aws_ecs_task_definition.lax", /secrets in its environment/],
    ["containers", "aws_ecs_task_definition.lax", /named as a secret/],
    ["containers", "aws_ecs_task_definition.lax", /whatever a tag means/],
    ["containers", "aws_ecs_task_definition.lax", /listens/],
    ["containers", "aws_ecs_task_definition.lax", /has no log/],
    ["containers", "aws_ecs_service.entered", /ECS Exec/],
    ["containers", task, /app can write into its image/],
    ["containers", task, /files keeps capabilities/],
    ["containers", task, /app does not wait/],
  ])("%s: %s", (rule, address, problem) => {
    expect(problemsOf(rule, address).join("\n")).toMatch(problem);
  });

  it("and nothing else: what was not planted is as it should be", () => {
    const planted =
      /^aws_|module\.service\.aws_ecs|module\.network\.(?:aws_vpc_endpoint|aws_cloudwatch|aws_vpc_security_group_ingress)|module\.key\./;
    expect(findings.filter(({ address }) => !planted.test(address))).toEqual([]);
  });
});
