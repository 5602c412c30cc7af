# All that the broker may do. Vault denies what is not named: other secrets, listing, policies, new tokens.

path "secret/data/sallyport/*" {
  capabilities = ["read"]
}

path "database/creds/sallyport-*" {
  capabilities = ["read"]
}

# A lease is named in the body, so the path alone would let a stolen token end or prolong anybody's lease.
path "sys/leases/renew" {
  capabilities        = ["update"]
  required_parameters = ["lease_id"]
  allowed_parameters = {
    "lease_id"  = ["database/creds/sallyport-*"]
    "increment" = []
  }
}

path "sys/leases/revoke" {
  capabilities        = ["update"]
  required_parameters = ["lease_id"]
  allowed_parameters = {
    "lease_id" = ["database/creds/sallyport-*"]
    "sync"     = []
  }
}

path "auth/token/lookup-self" {
  capabilities = ["read"]
}

path "auth/token/renew-self" {
  capabilities = ["update"]
}

path "auth/token/revoke-self" {
  capabilities = ["update"]
}
