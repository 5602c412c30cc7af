# All that whoever starts a broker may do: get a secret_id, wrapped, for five minutes.

path "auth/approle/role/sallyport-broker/secret-id" {
  capabilities     = ["update"]
  min_wrapping_ttl = "1s"
  max_wrapping_ttl = "5m"
}
