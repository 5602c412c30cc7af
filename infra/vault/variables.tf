variable "existing_mounts" {
  description = "Of `approle`, `secret` (KV version 2) and `database`: those that the server has already, and that stay as they are."
  type        = set(string)
  default     = []

  validation {
    condition     = length(setsubtract(var.existing_mounts, ["approle", "secret", "database"])) == 0
    error_message = "existing_mounts: only approle, secret and database can be there already; the others begin with sallyport- and are made here."
  }
}

variable "broker_cidrs" {
  description = "The broker's networks. Its logins and its tokens are good from there alone."
  type        = set(string)

  validation {
    condition     = length(var.broker_cidrs) > 0 && alltrue([for cidr in var.broker_cidrs : can(cidrhost(cidr, 0)) && try(tonumber(split("/", cidr)[1]) >= 8, false)])
    error_message = "broker_cidrs: name the broker's networks, each like 10.20.0.0/24. None, or a network larger than a /8, would bind the login to nothing."
  }
}

variable "databases" {
  description = "PostgreSQL servers. Each gets a role `sallyport-<name>`: a user that may read, made for one lease. `username` needs CREATEROLE."
  type = map(object({
    host     = string
    port     = optional(number, 5432)
    database = string
    username = string
  }))
  default = {}

  validation {
    condition     = alltrue([for name in keys(var.databases) : can(regex("^[a-z0-9][a-z0-9-]{0,40}$", name))])
    error_message = "databases: a name has small letters, digits and hyphens, 41 at most."
  }
}

variable "database_passwords" {
  description = "By name of the database. They are in the state until Vault has replaced them: run `vault write -f database/rotate-root/sallyport-<name>` at once."
  type        = map(string)
  default     = {}
  sensitive   = true

  validation {
    condition     = length(setsubtract(keys(var.databases), keys(var.database_passwords))) == 0
    error_message = "database_passwords: each of the databases needs its own."
  }
}

variable "identities" {
  description = "Who issues the tokens by which instances prove what they are: a Kubernetes cluster, a cloud, a CI system. Without it no instance logs in but the broker, by AppRole."
  type = object({
    issuer      = string
    audience    = string
    jwks_url    = optional(string)
    jwks_ca_pem = optional(string)
    public_keys = optional(list(string), [])
  })
  default = null

  validation {
    condition     = var.identities == null ? true : (var.identities.jwks_url != null) != (length(var.identities.public_keys) > 0)
    error_message = "identities: set one of jwks_url and public_keys."
  }

  validation {
    condition     = var.identities == null ? true : length(var.identities.issuer) > 0 && length(var.identities.audience) > 0
    error_message = "identities: issuer and audience are what keeps tokens for somebody else out."
  }
}

variable "instances" {
  description = "Instances of zones that log in by JWT: the zone, the claims that its tokens must have, and the names in its certificate."
  type = map(object({
    zone      = string
    claims    = map(string)
    dns_names = optional(list(string), [])
  }))
  default = {}

  validation {
    condition     = alltrue([for name in keys(var.instances) : can(regex("^[a-z0-9][a-z0-9-]{0,62}$", name))])
    error_message = "instances: a name has small letters, digits and hyphens, 63 at most."
  }

  validation {
    condition     = alltrue([for instance in values(var.instances) : contains(["edge", "relay", "connector", "runner", "broker", "collector"], instance.zone)])
    error_message = "instances: a zone is one of edge, relay, connector, runner, broker and collector."
  }

  validation {
    condition     = alltrue([for instance in values(var.instances) : length(instance.claims) > 0])
    error_message = "instances: without claims every token of the issuer could log in as this one."
  }

  validation {
    condition = alltrue(flatten([
      for one, a in var.instances : [
        for other, b in var.instances :
        one == other || anytrue([for claim, value in a.claims : lookup(b.claims, claim, value) != value])
      ]
    ]))
    error_message = "instances: one token could log in as two of them. Some claim must differ between any two."
  }

  validation {
    condition     = alltrue([for instance in values(var.instances) : length(instance.dns_names) == 0 || contains(["edge", "relay"], instance.zone)])
    error_message = "instances: only edge and relay are dialled, so only they have dns_names."
  }

  validation {
    condition     = alltrue(flatten([for instance in values(var.instances) : [for name in instance.dns_names : can(regex("^[a-z0-9-]+(\\.[a-z0-9-]+)+$", name))]]))
    error_message = "instances: a name in a certificate is written out, like relay.example.com; no wildcard, no address."
  }

  validation {
    condition     = length(var.instances) == 0 || var.identities != null
    error_message = "instances log in by JWT: set identities."
  }
}

variable "allow_destroy" {
  description = "Let `terraform destroy` delete the keys that zones' files are encrypted with. What was encrypted is lost with them."
  type        = bool
  default     = false
}
