# One customer-managed key for all that a zone stores. Who may use it is in its policy; everybody else is refused.
locals {
  arn = "arn:aws:logs:${var.region}:${var.account_id}:log-group:${var.log_groups}"
  use = [
    "kms:Encrypt", "kms:Decrypt", "kms:ReEncryptFrom", "kms:ReEncryptTo", "kms:GenerateDataKey",
    "kms:GenerateDataKeyWithoutPlaintext", "kms:DescribeKey",
  ]
  account = "arn:aws:iam::${var.account_id}:root"

  # The key's own policy: "Resource": "*" means this key and no other.
  administration = {
    Sid = "Administration", Effect = "Allow", Principal = { AWS = local.account }, Action = "kms:*", Resource = "*"
  }
  logs = {
    Sid       = "LogsOfThisZone", Effect = "Allow"
    Principal = { Service = "logs.${var.region}.amazonaws.com" }
    Action    = local.use
    Resource  = "*"
    Condition = { ArnLike = { "kms:EncryptionContext:aws:logs:arn" = local.arn } }
  }
  fargate = [
    {
      Sid       = "DisksOfTasks", Effect = "Allow", Principal = { Service = "fargate.amazonaws.com" }
      Action    = "kms:GenerateDataKeyWithoutPlaintext", Resource = "*"
      Condition = { StringEquals = { "kms:EncryptionContext:aws:ecs:clusterAccount" = [var.account_id] } }
    },
    {
      Sid    = "GrantsForDisksOfTasks", Effect = "Allow", Principal = { Service = "fargate.amazonaws.com" }
      Action = "kms:CreateGrant", Resource = "*"
      Condition = {
        StringEquals                = { "kms:EncryptionContext:aws:ecs:clusterAccount" = [var.account_id] }
        "ForAllValues:StringEquals" = { "kms:GrantOperations" = ["Decrypt"] }
      }
    },
  ]
  scaling_role = "arn:aws:iam::${var.account_id}:role/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"
  autoscaling = [
    {
      Sid      = "DisksOfMachines", Effect = "Allow", Principal = { AWS = local.scaling_role }
      Action   = local.use
      Resource = "*"
    },
    {
      Sid       = "GrantsForDisksOfMachines", Effect = "Allow", Principal = { AWS = local.scaling_role }
      Action    = "kms:CreateGrant", Resource = "*"
      Condition = { Bool = { "kms:GrantIsForAWSResource" = "true" } }
    },
  ]
}

resource "aws_kms_key" "zone" {
  description             = "All that ${var.name} stores"
  enable_key_rotation     = true
  deletion_window_in_days = 30
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [local.administration, local.logs],
      [for statement in local.fargate : statement if var.used_by == "fargate"],
      [for statement in local.autoscaling : statement if var.used_by == "autoscaling"],
    )
  })
  tags = var.tags
}

resource "aws_kms_alias" "zone" {
  name          = "alias/${var.name}"
  target_key_id = aws_kms_key.zone.key_id
}
