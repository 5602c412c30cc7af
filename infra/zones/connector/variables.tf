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
    condition     = length(distinct(var.availability_zones)) >= 2 && length(var.availability_zones) <= 3
    error_message = "availability_zones are two or three different ones."
  }
}

variable "instances" {
  description = "Connectors by name: the path of the bundle; file → ARN of a secret (what `sallyport zone request` made); file → path of a public one (policies, authorities)."
  type        = map(object({ bundle = string, secrets = map(string), files = optional(map(string), {}) }))
  validation {
    condition     = length(var.instances) > 0
    error_message = "instances names at least one connector."
  }
  validation {
    condition = alltrue([for name, instance in var.instances :
      try(jsondecode(file(instance.bundle)).format, "") == "sallyport-bundle/1" &&
      try(jsondecode(file(instance.bundle)).zone, "") == "connector" &&
      try(jsondecode(file(instance.bundle)).instance, "") == name
    ])
    error_message = "instances.*.bundle is a bundle of `sallyport zone bundle connector`, for the connector of that name."
  }
  validation {
    condition = alltrue([for instance in var.instances : alltrue([
      for server in try(jsondecode(file(instance.bundle)).relay.servers, ["none"]) :
      can(regex("^(?:tls|wss)://[a-z0-9.-]+:[0-9]+", server))
    ])])
    error_message = "instances.*.bundle names relays as tls://host:port or wss://host:port."
  }
  validation {
    condition = alltrue([for instance in var.instances :
      length(setsubtract(["nats.seed", "seal.key"], keys(instance.secrets))) == 0
    ])
    error_message = "instances.*.secrets lacks nats.seed or seal.key."
  }
}

variable "operator" {
  description = "Public key (O…) of the operator whose bundles count."
  type        = string
  validation {
    condition     = can(regex("^O[A-Z2-7]{55}$", var.operator))
    error_message = "operator is a public NATS operator key: O and 55 more characters."
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

variable "images" {
  description = "Repository in ECR (its ARN) and digest: the connector, the sallyport command, the official AWS CLI."
  type = object({
    app     = object({ repository = string, digest = string })
    cli     = object({ repository = string, digest = string })
    aws_cli = object({ repository = string, digest = string })
  })
  validation {
    condition = alltrue([for image in var.images :
      can(regex("^arn:aws:ecr:[a-z0-9-]+:[0-9]{12}:repository/[a-z0-9/._-]+$", image.repository)) &&
      can(regex("^sha256:[0-9a-f]{64}$", image.digest))
    ])
    error_message = "images.* is the ARN of a repository in ECR and a digest, sha256:…; a tag may change what runs."
  }
}

variable "architecture" {
  description = "Of the images: X86_64 or ARM64."
  type        = string
  default     = "X86_64"
}

variable "size" {
  description = "CPU units and MiB of each task."
  type        = object({ cpu = number, memory = number })
  default     = { cpu = 512, memory = 1024 }
}

variable "relay" {
  description = "The relay's endpoint service (com.amazonaws.vpce.…), or its addresses where it is not in AWS."
  type        = object({ endpoint_service = optional(string), cidrs = optional(list(string), []) })
  validation {
    condition     = (var.relay.endpoint_service == null) != (length(var.relay.cidrs) == 0)
    error_message = "relay has either endpoint_service or cidrs."
  }
  validation {
    condition     = alltrue([for cidr in var.relay.cidrs : can(cidrhost(cidr, 0)) && try(tonumber(split("/", cidr)[1]) >= 24, false)])
    error_message = "relay.cidrs are IPv4 networks of at most /24: the relay's own addresses."
  }
}

variable "destinations" {
  description = "What else the zone may dial, by addresses and port: its private servers, the issuer's keys."
  type        = map(object({ cidr = string, port = number }))
  validation {
    condition = alltrue([for to in var.destinations :
      can(cidrhost(to.cidr, 0)) && try(tonumber(split("/", to.cidr)[1]) >= 8, false) && to.port >= 1 && to.port <= 65535
    ])
    error_message = "destinations.* is an IPv4 network of at most /8 and one port: the addresses themselves, not everything."
  }
  validation {
    condition     = length(var.destinations) <= 12
    error_message = "destinations are at most 12: a network ACL has 20 rules. Put neighbours into one network."
  }
}

variable "transit_gateway_id" {
  description = "The road to the destinations, and to a relay that is given by addresses."
  type        = string
  default     = null
  validation {
    condition     = var.transit_gateway_id != null || length(var.destinations) + length(var.relay.cidrs) == 0
    error_message = "transit_gateway_id is needed for destinations: this network has no other road out."
  }
}

variable "log_retention_days" {
  type    = number
  default = 365
  validation {
    condition     = contains([90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "log_retention_days is at least 90, and one of the numbers that CloudWatch knows."
  }
}
