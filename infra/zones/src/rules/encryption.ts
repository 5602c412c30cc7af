import { blocks, isSet, type Resource, type Values } from "../resources.ts";
import { forEach, type Rule } from "./rule.ts";

const leastDays = 90;

/** All that is stored is encrypted, by a key of the zone where it is not public; logs are kept. */
export const encryption: Rule = forEach(
  [
    ...[
      "aws_cloudwatch_log_group",
      "aws_ebs_volume",
      "aws_instance",
      "aws_launch_template",
      "aws_ecs_cluster",
    ],
    ...[
      "aws_kms_key",
      "aws_s3_bucket",
      "aws_s3_bucket_server_side_encryption_configuration",
      "aws_s3_object",
    ],
    ...["aws_s3_bucket_public_access_block", "aws_s3_bucket_versioning"],
  ],
  (resource, { resources }) => {
    switch (resource.type) {
      case "aws_cloudwatch_log_group":
        return [
          !isSet(resource, "kms_key_id") && "is not encrypted by a key of the zone",
          !(Number(resource.values.retention_in_days) >= leastDays) &&
            `keeps logs for less than ${leastDays} days`,
        ];
      case "aws_ebs_volume":
        return [disk(resource.values, resource.unknown)];
      case "aws_instance":
        return disksOf(resource, ["root_block_device", "ebs_block_device"]);
      case "aws_launch_template":
        return blocks(resource.values, "block_device_mappings").map((one, index) =>
          disk(
            blocks(one, "ebs")[0] ?? {},
            blocks(blocks(resource.unknown, "block_device_mappings")[index] ?? {}, "ebs")[0] ?? {},
          ),
        );
      case "aws_ecs_cluster": {
        const at = (values: Values) =>
          blocks(blocks(values, "configuration")[0] ?? {}, "managed_storage_configuration")[0] ?? {};
        const storage = { values: at(resource.values), unknown: at(resource.unknown) };
        return [
          !isSet(storage, "fargate_ephemeral_storage_kms_key_id") &&
            "has tasks' disks without a key of the zone",
        ];
      }
      case "aws_kms_key":
        return [resource.values.enable_key_rotation !== true && "is never rotated"];
      case "aws_s3_bucket":
        return bucketParts.map(
          (type) =>
            !resources.some((one) => one.type === type && one.module === resource.module) && `has no ${type}`,
        );
      case "aws_s3_bucket_public_access_block":
        return [
          "block_public_acls",
          "block_public_policy",
          "ignore_public_acls",
          "restrict_public_buckets",
        ].map((flag) => resource.values[flag] !== true && `has no ${flag}`);
      case "aws_s3_bucket_versioning":
        return [
          blocks(resource.values, "versioning_configuration")[0]?.status !== "Enabled" &&
            "keeps no older versions",
        ];
      default:
        return [];
    }
  },
);

const bucketParts = [
  "aws_s3_bucket_public_access_block",
  "aws_s3_bucket_server_side_encryption_configuration",
  "aws_s3_bucket_versioning",
  "aws_s3_bucket_ownership_controls",
];

function disksOf({ values, unknown }: Resource, names: readonly string[]): (string | false)[] {
  const root = blocks(values, "root_block_device").length > 0 || "has a root disk that nothing is said of";
  return [
    root === true ? false : root,
    ...names.flatMap((name) =>
      blocks(values, name).map((one, index) => disk(one, blocks(unknown, name)[index] ?? {})),
    ),
  ];
}

function disk(values: Values, unknown: Values): string | false {
  if (String(values.encrypted) !== "true") return "has a disk that is not encrypted";
  return !isSet({ values, unknown }, "kms_key_id") && "has a disk without a key of the zone";
}
