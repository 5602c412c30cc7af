output "role_id" {
  description = "Of the broker's AppRole: `vault.auth.roleId`. Not a secret, but worth little care all the same."
  value       = vault_approle_auth_backend_role.broker.role_id
}

output "database_roles" {
  description = "By name of the database: `role` of a credential of kind database."
  value       = { for name, role in vault_database_secret_backend_role.readonly : name => role.name }
}

output "logins" {
  description = "By instance: where and as what it logs in with its platform's token."
  value       = { for name, role in vault_jwt_auth_backend_role.instance : name => { mount = role.backend, role = role.role_name } }
}

output "ca_pem" {
  description = "The authority of edge and relay certificates: `nats.caFile` of every zone."
  value       = one(vault_pki_secret_backend_root_cert.ca[*].certificate)
}
