# What a machine of a zone does at each boot, and what it may: its files are written into memory (a tmpfs that is gone
# with the machine's power), then its program starts. The machine's image has the programs; nothing is fetched but files.
locals {
  setup = {
    name     = var.name
    fetch    = base64encode(module.files.script)
    begin    = base64encode(var.begin)
    unit     = base64encode(local.unit)
    files    = base64encode(local.files_unit)
    programs = join(" ", concat(["aws", "sha256sum"], var.programs))
    zone     = var.zone
  }
  files_unit = file("${path.module}/sallyport-files.service")
  unit       = var.unit

  user_data = { for name, _ in var.instances : name => templatefile("${path.module}/boot.sh", merge(local.setup, {
    instance    = name
    environment = join("\n", [for key, value in merge(module.files.environment[name], var.environment, { INSTANCE = name }) : "${key}=\"${value}\""])
  })) }
}

module "files" {
  source          = "../zone-files"
  name            = var.name
  account_id      = var.account_id
  region          = var.region
  instances       = var.instances
  secrets_key_arn = var.secrets_key_arn
  tags            = var.tags
}

resource "aws_cloudwatch_log_group" "app" {
  for_each          = var.instances
  name              = "/${var.name}/${each.key}"
  retention_in_days = var.logs.retention_days
  kms_key_id        = var.logs.key_arn
  tags              = var.tags
}

resource "aws_iam_role" "machine" {
  for_each = var.instances
  name     = "${var.name}-${each.key}"
  assume_role_policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Principal = { Service = "ec2.amazonaws.com" }, Action = "sts:AssumeRole" }]
  })
  tags = var.tags
}

resource "aws_iam_role_policy" "machine" {
  for_each = var.instances
  name     = "own-files"
  role     = aws_iam_role.machine[each.key].name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(module.files.statements[each.key], [{
      Sid      = "OwnLog", Effect = "Allow"
      Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
      Resource = "arn:aws:logs:${var.region}:${var.account_id}:log-group:/${var.name}/${each.key}:*"
    }])
  })
}

resource "aws_iam_instance_profile" "machine" {
  for_each = var.instances
  name     = "${var.name}-${each.key}"
  role     = aws_iam_role.machine[each.key].name
  tags     = var.tags
}
