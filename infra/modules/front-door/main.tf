# Where others dial a zone: public subnets that hold nothing but a network load balancer and, where the zone dials the
# internet itself, one NAT gateway. TLS ends in the zone's own program, not here.
resource "aws_internet_gateway" "front" {
  vpc_id = var.vpc_id
  tags   = merge(var.tags, { Name = var.name })
}

resource "aws_subnet" "public" {
  for_each                = { for index, zone in var.availability_zones : zone => cidrsubnet(var.cidr, 4, 8 + index) }
  vpc_id                  = var.vpc_id
  availability_zone       = each.key
  cidr_block              = each.value
  map_public_ip_on_launch = false
  tags                    = merge(var.tags, { Name = "${var.name}-public-${each.key}" })
}

resource "aws_route_table" "public" {
  vpc_id = var.vpc_id
  tags   = merge(var.tags, { Name = "${var.name}-public" })
}

resource "aws_route" "internet" {
  route_table_id         = aws_route_table.public.id
  destination_cidr_block = "0.0.0.0/0"
  gateway_id             = aws_internet_gateway.front.id
}

resource "aws_route_table_association" "public" {
  for_each       = aws_subnet.public
  subnet_id      = each.value.id
  route_table_id = aws_route_table.public.id
}

# The zone's own ACL is for what answers; here others begin. The security group says who.
resource "aws_network_acl" "public" {
  vpc_id     = var.vpc_id
  subnet_ids = [for subnet in aws_subnet.public : subnet.id]
  ingress {
    rule_no    = 100
    action     = "allow"
    protocol   = "-1"
    cidr_block = var.cidr
    from_port  = 0
    to_port    = 0
  }
  ingress {
    rule_no    = 110
    action     = "allow"
    protocol   = "tcp"
    cidr_block = "0.0.0.0/0"
    from_port  = 1024
    to_port    = 65535
  }
  dynamic "ingress" {
    for_each = toset([for listener in var.listeners : listener.port if listener.port < 1024])
    content {
      rule_no    = 120 + index([for listener in var.listeners : listener.port if listener.port < 1024], ingress.value)
      action     = "allow"
      protocol   = "tcp"
      cidr_block = "0.0.0.0/0"
      from_port  = ingress.value
      to_port    = ingress.value
    }
  }
  egress {
    rule_no    = 100
    action     = "allow"
    protocol   = "-1"
    cidr_block = "0.0.0.0/0"
    from_port  = 0
    to_port    = 0
  }
  tags = merge(var.tags, { Name = "${var.name}-public" })
}

resource "aws_security_group" "door" {
  name        = "${var.name}-door"
  description = "The load balancer of ${var.name}"
  vpc_id      = var.vpc_id
  tags        = merge(var.tags, { Name = "${var.name}-door" })
}

locals {
  callers = merge([for cidr in var.callers : { for name, listener in var.listeners :
    "${name} ${cidr}" => { cidr = cidr, port = listener.port }
  }]...)
}

resource "aws_vpc_security_group_ingress_rule" "callers" {
  for_each          = local.callers
  security_group_id = aws_security_group.door.id
  ip_protocol       = "tcp"
  from_port         = each.value.port
  to_port           = each.value.port
  cidr_ipv4         = each.value.cidr
  tags              = merge(var.tags, { Name = each.key })
}

resource "aws_vpc_security_group_egress_rule" "inside" {
  for_each                     = var.listeners
  security_group_id            = aws_security_group.door.id
  ip_protocol                  = "tcp"
  from_port                    = each.value.target_port
  to_port                      = each.value.target_port
  referenced_security_group_id = var.security_group_id
  tags                         = merge(var.tags, { Name = "To ${each.key}" })
}

resource "aws_vpc_security_group_ingress_rule" "inside" {
  for_each                     = var.listeners
  security_group_id            = var.security_group_id
  ip_protocol                  = "tcp"
  from_port                    = each.value.target_port
  to_port                      = each.value.target_port
  referenced_security_group_id = aws_security_group.door.id
  tags                         = merge(var.tags, { Name = "${each.key}, from the load balancer" })
}

resource "aws_lb" "door" {
  name                             = "${var.name}-door"
  load_balancer_type               = "network"
  internal                         = false
  subnets                          = [for subnet in aws_subnet.public : subnet.id]
  security_groups                  = [aws_security_group.door.id]
  enable_cross_zone_load_balancing = true
  enable_deletion_protection       = var.deletion_protection
  # Who dials through an endpoint service was let in by it; its addresses are of another network.
  enforce_security_group_inbound_rules_on_private_link_traffic = var.endpoint_service ? "off" : null
  tags                                                         = var.tags
}

resource "aws_lb_target_group" "inside" {
  for_each           = var.listeners
  name               = "${var.name}-${each.key}"
  vpc_id             = var.vpc_id
  target_type        = "ip"
  protocol           = "TCP"
  port               = each.value.target_port
  preserve_client_ip = false
  health_check {
    protocol = "TCP"
    port     = "traffic-port"
  }
  tags = var.tags
}

resource "aws_lb_listener" "door" {
  for_each          = var.listeners
  load_balancer_arn = aws_lb.door.arn
  protocol          = "TCP"
  port              = each.value.port
  default_action {
    type             = "forward"
    target_group_arn = aws_lb_target_group.inside[each.key].arn
  }
  tags = var.tags
}

# One: a destination that answers this address alone can name it.
resource "aws_eip" "nat" {
  for_each = toset(var.nat ? ["nat"] : [])
  domain   = "vpc"
  tags     = merge(var.tags, { Name = "${var.name}-nat" })
}

resource "aws_nat_gateway" "nat" {
  for_each      = aws_eip.nat
  allocation_id = each.value.id
  subnet_id     = aws_subnet.public[var.availability_zones[0]].id
  tags          = merge(var.tags, { Name = var.name })
  depends_on    = [aws_internet_gateway.front]
}
