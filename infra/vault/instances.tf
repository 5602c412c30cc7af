# Each instance logs in with a token of its platform, and may do what its own policy says: open the files that were
# encrypted for it, have its own certificate signed (edge, relay), fetch a wrapped secret_id (broker).

resource "vault_jwt_auth_backend" "instances" {
  count = var.identities == null ? 0 : 1

  path                   = "sallyport-jwt"
  description            = "Instances of Sallyport's zones"
  bound_issuer           = var.identities.issuer
  jwks_url               = var.identities.jwks_url
  jwks_ca_pem            = var.identities.jwks_ca_pem
  jwt_validation_pubkeys = length(var.identities.public_keys) == 0 ? null : [for key in var.identities.public_keys : trimspace(key)]
}

resource "vault_jwt_auth_backend_role" "instance" {
  for_each = var.instances

  backend         = vault_jwt_auth_backend.instances[0].path
  role_name       = each.key
  role_type       = "jwt"
  user_claim      = "sub"
  bound_audiences = [var.identities.audience]
  bound_claims    = each.value.claims
  # A comma in a claim is a comma, and no list of which one is enough.
  disable_bound_claims_parsing = true
  # Where a broker is started, its wrapped secret_id is fetched under this login, never under the broker's own.
  token_policies          = concat([vault_policy.instance[each.key].name], each.value.zone == "broker" ? [vault_policy.broker_start.name] : [])
  token_no_default_policy = true
  # It keeps nothing and cannot be renewed: an instance logs in, fetches what it starts with, and is done.
  token_type    = "batch"
  token_ttl     = 300
  token_max_ttl = 300
}

resource "vault_policy" "instance" {
  for_each = var.instances

  name = "sallyport-instance-${each.key}"
  policy = templatefile("${path.module}/policies/sallyport-instance.hcl.tftpl", {
    instance    = each.key
    certificate = length(each.value.dns_names) > 0
  })
}

resource "vault_mount" "files" {
  count       = length(var.instances) == 0 ? 0 : 1
  path        = "sallyport-files"
  type        = "transit"
  description = "One key for each instance: who deploys encrypts its files, and it alone decrypts them."
}

resource "vault_transit_secret_backend_key" "files" {
  for_each = var.instances

  backend          = vault_mount.files[0].path
  name             = each.key
  type             = "aes256-gcm96"
  deletion_allowed = var.allow_destroy
}
