# The relay: three servers, one in each availability zone, behind a network load balancer. TLS ends in them, and what
# they carry is sealed for others. Zones in AWS come through the endpoint service, others by the public address.
locals {
  zone = "relay"
  name = "${var.name}-${local.zone}"
  tags = { installation = var.name, zone = local.zone }

  # Each has an address of its own that stays: the others know it.
  nodes = { for index, zone in var.availability_zones : "relay-${index + 1}" => {
    zone = zone, address = cidrhost(cidrsubnet(var.cidr, 4, index), 10)
  } }
  listeners = {
    nats      = { port = var.ports.nats, target_port = var.ports.nats }
    websocket = { port = var.ports.websocket, target_port = var.ports.websocket }
  }
  logs = { key_arn = module.key.arn, retention_days = var.log_retention_days }
}

module "key" {
  source     = "../../modules/key"
  name       = local.name
  account_id = var.account_id
  region     = var.region
  log_groups = "/${local.name}/*"
  used_by    = "instances"
  tags       = local.tags
}

module "network" {
  source             = "../../modules/network"
  name               = local.name
  account_id         = var.account_id
  region             = var.region
  cidr               = var.cidr
  availability_zones = var.availability_zones
  secrets            = values(var.secrets)
  repositories       = []
  buckets            = [{ actions = ["s3:GetObject"], resource = "arn:aws:s3:::${local.name}-files-${var.account_id}/*" }]
  relay              = {}
  destinations       = {}
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
  callers             = var.clients
  listeners           = local.listeners
  endpoint_service    = true
  nat                 = false
  deletion_protection = var.deletion_protection
  tags                = local.tags
}

module "machine" {
  source          = "../../modules/machine"
  name            = local.name
  zone            = local.zone
  account_id      = var.account_id
  region          = var.region
  instances       = { for name, _ in local.nodes : name => { secrets = var.secrets, files = var.files } }
  secrets_key_arn = var.secrets_key_arn
  programs        = ["/usr/local/bin/nats-server"]
  begin           = replace(file("${path.module}/begin.sh"), ". /usr/local/lib/sallyport/cluster.sh\n", file("${path.module}/cluster.sh"))
  unit            = file("${path.module}/sallyport-relay.service")
  environment     = { NODES = join(" ", [for name, node in local.nodes : "${name}=${node.address}"]) }
  logs            = local.logs
  tags            = local.tags
}

# A new account, a zone in another one: each is accepted by a person.
resource "aws_vpc_endpoint_service" "relay" {
  acceptance_required        = true
  allowed_principals         = var.consumers
  network_load_balancer_arns = [module.front_door.load_balancer_arn]
  private_dns_name           = var.host
  tags                       = merge(local.tags, { Name = local.name })
}
