# The private network's zone: connectors, which listen on nothing, and dial the relay and the servers they were given.
locals {
  zone = "connector"
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
  transit_gateway_id = var.transit_gateway_id
  logs               = local.logs
  tags               = local.tags
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
  subnet_ids        = values(module.network.private_subnet_ids)
  security_group_id = module.network.security_group_id
  logs              = local.logs
  tags              = local.tags
}
