# Destinations outside AWS's own services, and the relay where it is not in AWS.
locals {
  # Per address and port, in an order that stays when one is added at the end of the alphabet.
  relay_addresses = merge([for cidr in var.relay.cidrs : { for port in var.relay.ports :
    "relay ${cidr} ${port}" => { cidr = cidr, port = port, description = "The relay" }
  }]...)
  listed = { for name, to in var.destinations :
    name => { cidr = to.cidr, port = to.port, description = name }
  }
  destinations = merge(local.relay_addresses, local.listed)
  outside      = [for name in sort(keys(local.destinations)) : local.destinations[name]]
}

resource "aws_vpc_security_group_egress_rule" "outside" {
  for_each          = local.destinations
  security_group_id = aws_security_group.zone.id
  ip_protocol       = "tcp"
  from_port         = each.value.port
  to_port           = each.value.port
  cidr_ipv4         = each.value.cidr
  tags              = merge(var.tags, { Name = each.value.description })
}

resource "aws_route" "outside" {
  for_each               = toset([for to in local.outside : to.cidr])
  route_table_id         = aws_route_table.private.id
  destination_cidr_block = each.value
  transit_gateway_id     = var.transit_gateway_id
  nat_gateway_id         = var.nat_gateway_id
  depends_on             = [aws_ec2_transit_gateway_vpc_attachment.road]
}

resource "aws_ec2_transit_gateway_vpc_attachment" "road" {
  for_each           = toset(var.transit_gateway_id == null ? [] : ["road"])
  transit_gateway_id = var.transit_gateway_id
  vpc_id             = aws_vpc.zone.id
  subnet_ids         = [for subnet in aws_subnet.private : subnet.id]
  dns_support        = "enable"
}
