# Edge and relay are dialled, so they have certificates. Each makes its own key; only the request comes here.

locals {
  dialled = { for name, instance in var.instances : name => instance if length(instance.dns_names) > 0 }
  days    = 24 * 3600
}

resource "vault_mount" "certificates" {
  count                 = length(local.dialled) == 0 ? 0 : 1
  path                  = "sallyport-pki"
  type                  = "pki"
  max_lease_ttl_seconds = 3650 * local.days
  description           = "Certificates of edge and relay"
}

resource "vault_pki_secret_backend_root_cert" "ca" {
  count = length(local.dialled) == 0 ? 0 : 1

  backend     = vault_mount.certificates[0].path
  type        = "internal"
  common_name = "Sallyport"
  key_type    = "ec"
  key_bits    = 256
  ttl         = "${3650 * 24}h"
  # It signs certificates of servers, and no authority below it.
  max_path_length = 0
}

resource "vault_pki_secret_backend_role" "server" {
  for_each = local.dialled

  backend            = vault_mount.certificates[0].path
  name               = each.key
  allowed_domains    = each.value.dns_names
  allow_bare_domains = true
  allow_subdomains   = false
  allow_localhost    = false
  # Left out, the engine signs any address that is asked for.
  allow_ip_sans = false
  require_cn    = false
  server_flag   = true
  client_flag   = false
  key_type      = "ec"
  key_bits      = 256
  # Written out: the engine answers with these, and a plan would otherwise take them away again.
  key_usage = ["DigitalSignature", "KeyAgreement", "KeyEncipherment"]
  ttl       = 30 * local.days
  max_ttl   = 30 * local.days

  depends_on = [vault_pki_secret_backend_root_cert.ca]
}
