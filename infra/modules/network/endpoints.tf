# The zone reaches AWS's services and the relay through endpoints in its own network: no internet, and a connection
# through an endpoint can only be opened from this side.
locals {
  pull = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
  services = merge(
    {
      secretsmanager = { actions = ["secretsmanager:GetSecretValue"], resources = var.secrets }
      logs = {
        actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        resources = ["arn:aws:logs:${var.region}:${var.account_id}:log-group:/${var.name}/*"]
      }
    },
    length(var.repositories) == 0 ? {} : {
      "ecr.api" = { actions = concat(["ecr:GetAuthorizationToken"], local.pull), resources = ["*"] }
      "ecr.dkr" = { actions = local.pull, resources = var.repositories }
    },
  )
  own_account = { StringEquals = { "aws:PrincipalAccount" = var.account_id } }
  relay_link  = toset(var.relay.endpoint_service == null ? [] : ["relay"])
}

resource "aws_vpc_endpoint" "service" {
  for_each            = local.services
  vpc_id              = aws_vpc.zone.id
  service_name        = "com.amazonaws.${var.region}.${each.key}"
  vpc_endpoint_type   = "Interface"
  private_dns_enabled = true
  subnet_ids          = [for subnet in aws_subnet.private : subnet.id]
  security_group_ids  = [aws_security_group.endpoints.id]
  # Credentials of another account are worth nothing here: nothing is carried out to it.
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow", Principal = "*", Action = each.value.actions, Resource = each.value.resources
      Condition = local.own_account
    }]
  })
  tags = merge(var.tags, { Name = "${var.name}-${each.key}" })
}

resource "aws_vpc_endpoint" "s3" {
  vpc_id            = aws_vpc.zone.id
  service_name      = "com.amazonaws.${var.region}.s3"
  vpc_endpoint_type = "Gateway"
  route_table_ids   = [aws_route_table.private.id]
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(
      [for use in var.buckets : {
        Effect = "Allow", Principal = "*", Action = use.actions, Resource = use.resource, Condition = local.own_account
      }],
      # Layers of images lie in a bucket of AWS's, and are asked for with URLs that the registry signed.
      [for layers in ["arn:aws:s3:::prod-${var.region}-starport-layer-bucket/*"] : {
        Effect = "Allow", Principal = "*", Action = ["s3:GetObject"], Resource = layers
      } if length(var.repositories) > 0],
    )
  })
  tags = merge(var.tags, { Name = "${var.name}-s3" })
}

# With private DNS the relay's own name, which its certificate has, leads to the endpoint.
resource "aws_vpc_endpoint" "relay" {
  for_each            = local.relay_link
  vpc_id              = aws_vpc.zone.id
  service_name        = var.relay.endpoint_service
  vpc_endpoint_type   = "Interface"
  private_dns_enabled = true
  subnet_ids          = [for subnet in aws_subnet.private : subnet.id]
  security_group_ids  = [aws_security_group.endpoints.id]
  tags                = merge(var.tags, { Name = "${var.name}-relay" })
}

locals {
  endpoint_ports = toset([for port in concat([443], var.relay.endpoint_service == null ? [] : var.relay.ports) : tostring(port)])
}

resource "aws_vpc_security_group_ingress_rule" "endpoints" {
  for_each                     = local.endpoint_ports
  security_group_id            = aws_security_group.endpoints.id
  ip_protocol                  = "tcp"
  from_port                    = tonumber(each.value)
  to_port                      = tonumber(each.value)
  referenced_security_group_id = aws_security_group.zone.id
  tags                         = merge(var.tags, { Name = "From what runs in this zone" })
}

resource "aws_vpc_security_group_egress_rule" "endpoints" {
  for_each                     = local.endpoint_ports
  security_group_id            = aws_security_group.zone.id
  ip_protocol                  = "tcp"
  from_port                    = tonumber(each.value)
  to_port                      = tonumber(each.value)
  referenced_security_group_id = aws_security_group.endpoints.id
  tags                         = merge(var.tags, { Name = "To the endpoints" })
}

resource "aws_vpc_security_group_egress_rule" "s3" {
  security_group_id = aws_security_group.zone.id
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
  prefix_list_id    = aws_vpc_endpoint.s3.prefix_list_id
  tags              = merge(var.tags, { Name = "To the gateway endpoint of S3" })
}
