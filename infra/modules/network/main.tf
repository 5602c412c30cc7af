# A zone's own network. Nothing comes in. Out go the AWS services that the zone calls, the relay, and the
# destinations that are listed, each by address and port.
resource "aws_vpc" "zone" {
  cidr_block           = var.cidr
  enable_dns_support   = true
  enable_dns_hostnames = true
  tags                 = merge(var.tags, { Name = var.name })
}

resource "aws_subnet" "private" {
  for_each                = { for index, zone in var.availability_zones : zone => cidrsubnet(var.cidr, 4, index) }
  vpc_id                  = aws_vpc.zone.id
  availability_zone       = each.key
  cidr_block              = each.value
  map_public_ip_on_launch = false
  tags                    = merge(var.tags, { Name = "${var.name}-private-${each.key}" })
}

resource "aws_route_table" "private" {
  vpc_id = aws_vpc.zone.id
  tags   = merge(var.tags, { Name = "${var.name}-private" })
}

resource "aws_route_table_association" "private" {
  for_each       = aws_subnet.private
  subnet_id      = each.value.id
  route_table_id = aws_route_table.private.id
}

# What AWS makes by itself is taken over: a subnet or a machine that names none of ours reaches nothing.
resource "aws_default_security_group" "closed" {
  vpc_id = aws_vpc.zone.id
  tags   = merge(var.tags, { Name = "${var.name}-closed" })
}

resource "aws_default_route_table" "closed" {
  default_route_table_id = aws_vpc.zone.default_route_table_id
  route                  = []
  tags                   = merge(var.tags, { Name = "${var.name}-closed" })
}

# The second fence, and a coarse one: it has no state, so what answers comes in by its port alone. Security groups
# are the exact one.
resource "aws_default_network_acl" "private" {
  default_network_acl_id = aws_vpc.zone.default_network_acl_id

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
  egress {
    rule_no    = 100
    action     = "allow"
    protocol   = "-1"
    cidr_block = var.cidr
    from_port  = 0
    to_port    = 0
  }
  # The gateway endpoint of S3 has public addresses, and a network ACL cannot name them.
  egress {
    rule_no    = 110
    action     = "allow"
    protocol   = "tcp"
    cidr_block = "0.0.0.0/0"
    from_port  = 443
    to_port    = 443
  }
  dynamic "egress" {
    for_each = local.outside
    content {
      rule_no    = 120 + egress.key
      action     = "allow"
      protocol   = "tcp"
      cidr_block = egress.value.cidr
      from_port  = egress.value.port
      to_port    = egress.value.port
    }
  }
  tags = merge(var.tags, { Name = "${var.name}-private" })
  lifecycle {
    # It has every subnet that no other ACL has, unnamed: two that take subnets at once take them from each other.
    ignore_changes = [subnet_ids]
  }
}

resource "aws_security_group" "zone" {
  name        = "${var.name}-zone"
  description = "What runs in ${var.name}"
  vpc_id      = aws_vpc.zone.id
  tags        = merge(var.tags, { Name = "${var.name}-zone" })
}

# Only endpoints carry it; the one thing that may dial them is what runs in this zone.
resource "aws_security_group" "endpoints" {
  name        = "${var.name}-endpoints"
  description = "Endpoints that ${var.name} dials"
  vpc_id      = aws_vpc.zone.id
  tags        = merge(var.tags, { Name = "${var.name}-endpoints" })
}
