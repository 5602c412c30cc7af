# The instances of one zone on Fargate. Two containers run before each: one writes the instance's files, one checks its
# bundle and makes its settings of it. Then the program starts, as nobody in particular, and can write nothing else.
locals {
  folder = "/zone"
  app    = { for name, _ in var.instances : name => "${var.name}-${name}" }
  user   = "65532:65532"

  # Docker's default set, but for CHOWN: the files are given to the program's user, and that is the last that root does.
  needless = [
    "AUDIT_WRITE", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "NET_RAW", "SETFCAP",
    "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
  ]
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

resource "aws_ecs_cluster" "zone" {
  name = var.name
  setting {
    name  = "containerInsights"
    value = "enabled"
  }
  configuration {
    managed_storage_configuration {
      fargate_ephemeral_storage_kms_key_id = var.logs.key_arn
    }
  }
  tags = var.tags
}

resource "aws_cloudwatch_log_group" "app" {
  for_each          = local.app
  name              = "/${var.name}/${each.key}"
  retention_in_days = var.logs.retention_days
  kms_key_id        = var.logs.key_arn
  tags              = var.tags
}

resource "aws_ecs_task_definition" "app" {
  for_each                 = local.app
  family                   = each.value
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = var.size.cpu
  memory                   = var.size.memory
  execution_role_arn       = aws_iam_role.execution[each.key].arn
  task_role_arn            = aws_iam_role.task[each.key].arn
  runtime_platform {
    operating_system_family = "LINUX"
    cpu_architecture        = var.architecture
  }
  volume {
    name = "zone"
  }
  container_definitions = jsonencode([
    merge(local.container, {
      name             = "files"
      image            = local.images.aws_cli
      user             = "0:0"
      linuxParameters  = { initProcessEnabled = false, capabilities = { add = [], drop = local.needless } }
      entryPoint       = ["/bin/sh", "-c"]
      command          = [module.files.script]
      dependsOn        = []
      logConfiguration = local.log[each.key]
      environment = [for name, value in merge(module.files.environment[each.key], {
        ZONE_DIR = local.folder
        OWNER    = local.user
        HOME     = local.folder
      }) : { name = name, value = value }]
    }),
    merge(local.container, {
      name             = "install"
      image            = local.images.cli
      command          = ["zone", "install", "${local.folder}/bundle.json", "--dir", local.folder, "--operator", var.operator]
      dependsOn        = [{ containerName = "files", condition = "SUCCESS" }]
      logConfiguration = local.log[each.key]
      environment      = []
    }),
    merge(local.container, {
      name             = "app"
      image            = local.images.app
      essential        = true
      command          = ["--config", "${local.folder}/${var.zone}.yaml"]
      dependsOn        = [{ containerName = "install", condition = "SUCCESS" }]
      logConfiguration = local.log[each.key]
      environment      = [for name, value in merge(var.settings, { SALLYPORT_HEALTH__SOCKET = "${local.folder}/health.sock" }) : { name = name, value = value }]
      portMappings     = [for port in var.listener == null ? [] : [var.listener.port] : { containerPort = port, hostPort = port, protocol = "tcp" }]
      stopTimeout      = 120 # the drain, and 10 seconds
      healthCheck = {
        command = ["CMD", "node", "/sallyport/health.mjs", "${local.folder}/health.sock"], interval = 10, timeout = 5, retries = 3, startPeriod = 30
      }
    }),
  ])
  tags = var.tags
}

locals {
  images = { for name, image in var.images : name => join("", [
    split(":", image.repository)[4], ".dkr.ecr.", split(":", image.repository)[3], ".amazonaws.com/",
    trimprefix(split(":", image.repository)[5], "repository/"), "@", image.digest,
  ]) }
  container = {
    essential              = false
    user                   = local.user
    readonlyRootFilesystem = true
    privileged             = false
    linuxParameters        = { initProcessEnabled = true, capabilities = { add = [], drop = ["ALL"] } }
    mountPoints            = [{ sourceVolume = "zone", containerPath = local.folder, readOnly = false }]
    portMappings           = []
    volumesFrom            = []
    systemControls         = []
  }
  log = { for name, app in local.app : name => {
    logDriver = "awslogs"
    options = {
      awslogs-group         = aws_cloudwatch_log_group.app[name].name
      awslogs-region        = var.region
      awslogs-stream-prefix = var.zone
    }
  } }
}

# One of each name: two would share a NATS user. More of a zone are more instances, each with keys of its own.
resource "aws_ecs_service" "app" {
  for_each                           = local.app
  name                               = each.key
  cluster                            = aws_ecs_cluster.zone.id
  task_definition                    = aws_ecs_task_definition.app[each.key].arn
  desired_count                      = 1
  deployment_minimum_healthy_percent = 0
  deployment_maximum_percent         = 100
  launch_type                        = "FARGATE"
  platform_version                   = "1.4.0"
  enable_execute_command             = false
  propagate_tags                     = "SERVICE"
  network_configuration {
    subnets          = var.subnet_ids
    security_groups  = [var.security_group_id]
    assign_public_ip = false
  }
  dynamic "load_balancer" {
    for_each = var.listener == null ? [] : [var.listener]
    content {
      container_name   = "app"
      container_port   = load_balancer.value.port
      target_group_arn = load_balancer.value.target_group_arn
    }
  }
  lifecycle {
    # Set by AWS where there is one task, whatever is written.
    ignore_changes = [availability_zone_rebalancing]
  }
  depends_on = [aws_iam_role_policy.execution, aws_iam_role_policy.task, module.files]
  tags       = var.tags
}
