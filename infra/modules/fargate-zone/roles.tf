# Two roles for each instance: AWS's agent starts the task with one, the task itself has the other.
locals {
  assume = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect = "Allow", Principal = { Service = "ecs-tasks.amazonaws.com" }, Action = "sts:AssumeRole"
      Condition = {
        StringEquals = { "aws:SourceAccount" = var.account_id }
        ArnLike      = { "aws:SourceArn" = "arn:aws:ecs:${var.region}:${var.account_id}:*" }
      }
    }]
  })
}

resource "aws_iam_role" "execution" {
  for_each           = local.app
  name               = "${each.value}-execution"
  assume_role_policy = local.assume
  tags               = var.tags
}

resource "aws_iam_role_policy" "execution" {
  for_each = local.app
  name     = "start"
  role     = aws_iam_role.execution[each.key].name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      { Sid = "RegistryLogin", Effect = "Allow", Action = ["ecr:GetAuthorizationToken"], Resource = "*" },
      {
        Sid      = "OwnImages", Effect = "Allow", Action = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
        Resource = sort(distinct([for image in var.images : image.repository]))
      },
      {
        Sid      = "OwnLog", Effect = "Allow", Action = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = "arn:aws:logs:${var.region}:${var.account_id}:log-group:/${var.name}/${each.key}:*"
      },
    ]
  })
}

# The program has what its first container had: it holds these very secrets in memory.
resource "aws_iam_role" "task" {
  for_each           = local.app
  name               = "${each.value}-task"
  assume_role_policy = local.assume
  tags               = var.tags
}

resource "aws_iam_role_policy" "task" {
  for_each = local.app
  name     = "own-files"
  role     = aws_iam_role.task[each.key].name
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = concat(module.files.statements[each.key], var.statements)
  })
}
