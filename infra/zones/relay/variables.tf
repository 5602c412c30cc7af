variable "account_id" {
  description = "The AWS account of this zone. Another one is refused."
  type        = string
  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id is the 12 digits of an AWS account."
  }
}

variable "region" {
  type = string
}

variable "name" {
  description = "Of the installation; resources are named {name}-{zone}."
  type        = string
  default     = "sallyport"
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,15}$", var.name))
    error_message = "name is 2 to 16 lower-case letters, digits and hyphens."
  }
}

variable "cidr" {
  description = "Of the zone's own network, a /22 or larger. Networks joined by a transit gateway may not overlap."
  type        = string
  validation {
    condition     = can(cidrsubnet(var.cidr, 4, 0)) && try(tonumber(split("/", var.cidr)[1]) <= 22, false)
    error_message = "cidr is an IPv4 network of at least /22, such as 10.20.0.0/22."
  }
}

variable "availability_zones" {
  type = list(string)
  validation {
    condition     = length(distinct(var.availability_zones)) == 3
    error_message = "availability_zones are three different ones: a cluster of three survives one of them."
  }
}

variable "files" {
  description = "File → path of the public ones: nats-server.conf, accounts.conf and tls.crt of `sallyport init --cluster`; cluster.crt and cluster-ca.pem for the routes between relays."
  type        = map(string)
  validation {
    condition = length(setsubtract(
      ["nats-server.conf", "accounts.conf", "tls.crt", "cluster.crt", "cluster-ca.pem"], keys(var.files)
    )) == 0
    error_message = "files lacks one of nats-server.conf, accounts.conf, tls.crt, cluster.crt, cluster-ca.pem."
  }
  validation {
    condition     = alltrue([for path in values(var.files) : !can(regex("PRIVATE KEY|-----BEGIN USER NKEY SEED", try(file(path), "")))])
    error_message = "files holds a private key: it belongs into secrets, and is now to be made anew where it was shown to others."
  }
}

variable "secrets" {
  description = "File → ARN of a secret: tls.key, cluster.key."
  type        = map(string)
  validation {
    condition     = length(setsubtract(["tls.key", "cluster.key"], keys(var.secrets))) == 0
    error_message = "secrets lacks tls.key or cluster.key."
  }
}

variable "secrets_key_arn" {
  description = "The KMS key that encrypts the secrets of the instances."
  type        = string
  validation {
    condition     = can(regex("^arn:aws:kms:[a-z0-9-]+:[0-9]{12}:key/[a-z0-9-]+$", var.secrets_key_arn))
    error_message = "secrets_key_arn is the ARN of one KMS key."
  }
}

variable "ami" {
  description = "Image of the machine: nats-server 2.14 or later in /usr/local/bin, aws on PATH, the CloudWatch agent."
  type        = string
  validation {
    condition     = can(regex("^ami-[0-9a-f]{8,17}$", var.ami))
    error_message = "ami is the id of one image."
  }
}

variable "instance_type" {
  description = "A Nitro type."
  type        = string
  default     = "m7i.large"
}

variable "disk_gib" {
  description = "Of each relay's disk for streams: the audit log, work items, the lease ledger."
  type        = number
  default     = 100
}

variable "ports" {
  description = "What nats-server.conf listens on: clients, and WebSocket."
  type        = object({ nats = number, websocket = number })
  default     = { nats = 4222, websocket = 443 }
}

variable "host" {
  description = "The relay's name, as bundles and its certificate have it."
  type        = string
}

variable "clients" {
  description = "Addresses outside of AWS from which zones dial; none where all come through the endpoint service."
  type        = list(string)
  default     = []
  validation {
    condition = alltrue([for cidr in var.clients :
      can(cidrhost(cidr, 0)) && try(tonumber(split("/", cidr)[1]) >= 8, false)
    ])
    error_message = "clients are IPv4 networks of at most /8: not everybody."
  }
}

variable "consumers" {
  description = "ARNs of the accounts or roles whose zones may make an endpoint to the relay."
  type        = list(string)
  validation {
    condition     = alltrue([for arn in var.consumers : can(regex("^arn:aws:iam::[0-9]{12}:(root|role/.+)$", arn))])
    error_message = "consumers are ARNs of accounts (…:root) or roles: \"*\" would be everybody."
  }
}

variable "deletion_protection" {
  type    = bool
  default = true
}

variable "log_retention_days" {
  type    = number
  default = 365
  validation {
    condition     = contains([90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days is at least 90, and one of the numbers that CloudWatch knows."
  }
}
