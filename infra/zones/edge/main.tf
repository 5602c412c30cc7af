# The zone that faces agents: edges behind a network load balancer. TLS ends in the edge, and nothing else comes in.
locals {
  zone = "edge"
  port = 8443
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
  used_by    = "fargate"
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
  repositories       = distinct([for image in var.images : image.repository])
  buckets            = [{ actions = ["s3:GetObject"], resource = "arn:aws:s3:::${local.name}-files-${var.account_id}/*" }]
  relay              = local.relay
  destinations       = var.destinations
  nat_gateway_id     = module.front_door.nat_gateway_id
  logs               = local.logs
  tags               = local.tags
}

module "front_door" {
  source              = "../../modules/front-door"
  name                = local.name
  vpc_id              = module.network.vpc_id
  cidr                = var.cidr
  availability_zones  = var.availability_zones
  security_group_id   = module.network.security_group_id
  callers             = var.agents
  listeners           = { https = { port = 443, target_port = local.port } }
  endpoint_service    = false
  nat                 = length(var.destinations) + length(var.relay.cidrs) > 0
  deletion_protection = var.deletion_protection
  tags                = local.tags
}

module "service" {
  source            = "../../modules/fargate-zone"
  name              = local.name
  zone              = local.zone
  account_id        = var.account_id
  region            = var.region
  instances         = local.instances
  operator          = var.operator
  secrets_key_arn   = var.secrets_key_arn
  images            = var.images
  architecture      = var.architecture
  size              = var.size
  settings          = { SALLYPORT_LISTEN__HOST = "0.0.0.0", SALLYPORT_LISTEN__PORT = tostring(local.port) }
  listener          = { port = local.port, target_group_arn = module.front_door.target_group_arns["https"] }
  subnet_ids        = values(module.network.private_subnet_ids)
  security_group_id = module.network.security_group_id
  logs              = local.logs
  tags              = local.tags
}
