# What the broker logs in with and may do. The policy and the role's numbers are the files that the local stack uses.

locals {
  approle = jsondecode(file("${path.module}/roles/sallyport-broker.json"))
  lease   = jsondecode(file("${path.module}/roles/sallyport-readonly.json"))

  # The API takes "20m"; the provider wants seconds.
  seconds = {
    for text in distinct([for value in concat(values(local.approle), values(local.lease)) : value if can(regex("^[0-9]+[smh]$", value))]) :
    text => tonumber(regex("^[0-9]+", text)) * lookup({ s = 1, m = 60, h = 3600 }, regex("[smh]$", text))
  }
}

resource "vault_mount" "secret" {
  count       = contains(var.existing_mounts, "secret") ? 0 : 1
  path        = "secret"
  type        = "kv"
  options     = { version = "2" }
  description = "Tokens, keys and passwords. The broker reads below sallyport/."
}

resource "vault_auth_backend" "approle" {
  count = contains(var.existing_mounts, "approle") ? 0 : 1
  type  = "approle"
  path  = "approle"
}

resource "vault_policy" "broker" {
  name   = "sallyport-broker"
  policy = file("${path.module}/policies/sallyport-broker.hcl")
}

# For whoever starts a broker: an instance of that zone below, or a supervisor of yours.
resource "vault_policy" "broker_start" {
  name   = "sallyport-broker-start"
  policy = file("${path.module}/policies/sallyport-broker-start.hcl")
}

resource "vault_approle_auth_backend_role" "broker" {
  backend                 = "approle"
  role_name               = "sallyport-broker"
  bind_secret_id          = local.approle.bind_secret_id
  secret_id_ttl           = local.seconds[local.approle.secret_id_ttl]
  secret_id_num_uses      = local.approle.secret_id_num_uses
  secret_id_bound_cidrs   = var.broker_cidrs
  token_policies          = local.approle.token_policies
  token_no_default_policy = local.approle.token_no_default_policy
  token_type              = local.approle.token_type
  token_ttl               = local.seconds[local.approle.token_ttl]
  token_max_ttl           = local.seconds[local.approle.token_max_ttl]
  # The server answers with a single address without its mask.
  token_bound_cidrs = [for cidr in var.broker_cidrs : replace(cidr, "/(/32|/128)$/", "")]

  depends_on = [vault_auth_backend.approle]
}
