resource "aws_vpc_security_group_ingress_rule" "routes" {
  security_group_id            = module.network.security_group_id
  ip_protocol                  = "tcp"
  from_port                    = 6222
  to_port                      = 6222
  referenced_security_group_id = module.network.security_group_id
  tags                         = merge(local.tags, { Name = "Routes, from the other relays" })
}

resource "aws_vpc_security_group_egress_rule" "routes" {
  security_group_id            = module.network.security_group_id
  ip_protocol                  = "tcp"
  from_port                    = 6222
  to_port                      = 6222
  referenced_security_group_id = module.network.security_group_id
  tags                         = merge(local.tags, { Name = "Routes, to the other relays" })
}

# What all of them have: the zone's security group, and an answer for their role to themselves alone.
resource "aws_launch_template" "relay" {
  name                   = local.name
  vpc_security_group_ids = [module.network.security_group_id]
  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
    instance_metadata_tags      = "disabled"
  }
  monitoring {
    enabled = true
  }
}

resource "aws_instance" "relay" {
  for_each             = local.nodes
  ami                  = var.ami
  instance_type        = var.instance_type
  iam_instance_profile = module.machine.instance_profiles[each.key]
  user_data_base64     = base64encode(module.machine.user_data[each.key])
  subnet_id            = module.network.private_subnet_ids[each.value.zone]
  private_ip           = each.value.address
  launch_template {
    id      = aws_launch_template.relay.id
    version = aws_launch_template.relay.latest_version
  }
  root_block_device {
    volume_type = "gp3"
    volume_size = 20
    encrypted   = true
    kms_key_id  = module.key.arn
  }
  user_data_replace_on_change = true
  lifecycle {
    precondition {
      condition     = length(module.machine.user_data[each.key]) <= 16384
      error_message = "The machine's user data is more than 16 KiB."
    }
  }
  tags = merge(local.tags, { Name = "${local.name}-${each.key}" })
}

# The streams: they outlive the machine.
resource "aws_ebs_volume" "streams" {
  for_each          = local.nodes
  availability_zone = each.value.zone
  type              = "gp3"
  size              = var.disk_gib
  encrypted         = true
  kms_key_id        = module.key.arn
  final_snapshot    = true
  tags              = merge(local.tags, { Name = "${local.name}-${each.key}-streams" })
}

resource "aws_volume_attachment" "streams" {
  for_each    = local.nodes
  device_name = "/dev/sdf"
  volume_id   = aws_ebs_volume.streams[each.key].id
  instance_id = aws_instance.relay[each.key].id
}

resource "aws_lb_target_group_attachment" "relay" {
  for_each = { for pair in setproduct(keys(local.nodes), keys(local.listeners)) : join(" ", pair) => {
    node = pair[0], listener = pair[1]
  } }
  target_group_arn = module.front_door.target_group_arns[each.value.listener]
  target_id        = local.nodes[each.value.node].address
}
