# The zone of sandboxes: machines on which nothing else lives. A runner listens on nothing; it is root, so that each
# sandbox has a user of its own, and what takes it over has this machine and no other.
locals {
  zone = "runner"
  name = "${var.name}-${local.zone}"
  tags = { installation = var.name, zone = local.zone }

  instances = { for name, instance in var.instances : name => {
    secrets = instance.secrets, files = merge(instance.files, { "bundle.json" = instance.bundle })
  } }
  bundles = { for name, instance in var.instances : name => jsondecode(file(instance.bundle)) }
  relay = {
    endpoint_service = var.relay.endpoint_service
    cidrs            = var.relay.cidrs
    ports = distinct(flatten([for bundle in local.bundles : [for server in bundle.relay.servers :
      tonumber(regex("^(?:tls|wss)://[a-z0-9.-]+:([0-9]+)", server)[0])
    ]]))
  }
  logs = { key_arn = module.key.arn, retention_days = var.log_retention_days }
}

module "key" {
  source     = "../../modules/key"
  name       = local.name
  account_id = var.account_id
  region     = var.region
  log_groups = "/${local.name}/*"
  used_by    = "autoscaling"
  tags       = local.tags
}

module "network" {
  source             = "../../modules/network"
  name               = local.name
  account_id         = var.account_id
  region             = var.region
  cidr               = var.cidr
  availability_zones = var.availability_zones
  secrets            = flatten([for instance in var.instances : values(instance.secrets)])
  repositories       = []
  buckets            = [{ actions = ["s3:GetObject"], resource = "arn:aws:s3:::${local.name}-files-${var.account_id}/*" }]
  relay              = local.relay
  destinations       = var.destinations
  transit_gateway_id = var.transit_gateway_id
  logs               = local.logs
  tags               = local.tags
}

module "machine" {
  source          = "../../modules/machine"
  name            = local.name
  zone            = local.zone
  account_id      = var.account_id
  region          = var.region
  instances       = local.instances
  secrets_key_arn = var.secrets_key_arn
  programs        = ["node", "sallyport", "bwrap", "perl", "gcc"]
  begin           = file("${path.module}/begin.sh")
  unit            = file("${path.module}/sallyport-runner.service")
  environment = {
    OPERATOR                   = var.operator
    SALLYPORT_BWRAP            = "/usr/bin/bwrap"
    SALLYPORT_STATE            = "/var/lib/sallyport-sandboxes"
    SALLYPORT_DELEGATED_CGROUP = "/sys/fs/cgroup/sallyport"
    SALLYPORT_UIDS__FIRST      = tostring(var.uids.first)
    SALLYPORT_UIDS__COUNT      = tostring(var.uids.count)
    SALLYPORT_HEALTH__SOCKET   = "/run/sallyport/health.sock"
  }
  logs = local.logs
  tags = local.tags
}

resource "aws_launch_template" "runner" {
  for_each               = local.instances
  name                   = "${local.name}-${each.key}"
  image_id               = var.ami
  instance_type          = var.instance_type
  update_default_version = true
  user_data              = base64encode(module.machine.user_data[each.key])
  vpc_security_group_ids = [module.network.security_group_id]
  iam_instance_profile {
    name = module.machine.instance_profiles[each.key]
  }
  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
    instance_metadata_tags      = "disabled"
  }
  monitoring {
    enabled = true
  }
  block_device_mappings {
    device_name = "/dev/xvda"
    ebs {
      volume_type           = "gp3"
      volume_size           = var.disk_gib
      encrypted             = true
      kms_key_id            = module.key.arn
      delete_on_termination = true
    }
  }
  lifecycle {
    precondition {
      condition     = length(module.machine.user_data[each.key]) <= 16384
      error_message = "The machine's user data is more than 16 KiB: give the instance fewer files."
    }
  }
}

# One machine for each name: two would share a NATS user. One that fails is replaced.
resource "aws_autoscaling_group" "runner" {
  for_each            = local.instances
  name                = "${local.name}-${each.key}"
  min_size            = 1
  max_size            = 1
  desired_capacity    = 1
  health_check_type   = "EC2"
  vpc_zone_identifier = values(module.network.private_subnet_ids)
  launch_template {
    id      = aws_launch_template.runner[each.key].id
    version = aws_launch_template.runner[each.key].latest_version
  }
  instance_refresh {
    strategy = "Rolling"
    preferences {
      min_healthy_percentage = 0
    }
  }
  tag {
    key                 = "Name"
    value               = "${local.name}-${each.key}"
    propagate_at_launch = true
  }
}
