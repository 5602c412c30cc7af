# One user for each lease: the same statements as in the local stack.

resource "vault_mount" "database" {
  count = length(var.databases) == 0 || contains(var.existing_mounts, "database") ? 0 : 1
  path  = "database"
  type  = "database"
}

resource "vault_database_secret_backend_connection" "postgres" {
  for_each = var.databases

  backend           = "database"
  name              = "sallyport-${each.key}"
  allowed_roles     = ["sallyport-${each.key}"]
  verify_connection = true

  postgresql {
    # To another host than the loopback address, by verified TLS only.
    connection_url = format(
      "postgresql://{{username}}:{{password}}@%s:%d/%s?sslmode=%s",
      strcontains(each.value.host, ":") ? "[${each.value.host}]" : each.value.host,
      each.value.port,
      urlencode(each.value.database),
      contains(["127.0.0.1", "::1"], each.value.host) ? "disable" : "verify-full",
    )
    username = each.value.username
    password = var.database_passwords[each.key]
  }

  # Vault hashes a new user's password; PostgreSQL's log never sees it.
  data = { password_authentication = "scram-sha-256" }

  depends_on = [vault_mount.database]
}

resource "vault_database_secret_backend_role" "readonly" {
  for_each = var.databases

  backend               = "database"
  name                  = "sallyport-${each.key}"
  db_name               = vault_database_secret_backend_connection.postgres[each.key].name
  creation_statements   = [trimspace(file("${path.module}/roles/sallyport-readonly.create.sql"))]
  revocation_statements = [trimspace(file("${path.module}/roles/sallyport-readonly.revoke.sql"))]
  default_ttl           = local.seconds[local.lease.default_ttl]
  max_ttl               = local.seconds[local.lease.max_ttl]
}
