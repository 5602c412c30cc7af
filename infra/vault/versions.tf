# A root of its own: `VAULT_ADDR` and `VAULT_TOKEN` say which server, and as whom. It works as a module too.
terraform {
  required_version = ">= 1.9"

  required_providers {
    vault = {
      source = "hashicorp/vault"
      # Every resource and argument here is in 3.3.1 and in 5: take the newest.
      version = ">= 3.3.1"
    }
  }
}
