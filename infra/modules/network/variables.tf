variable "name" {
  type = string
}

variable "account_id" {
  type = string
}

variable "region" {
  type = string
}

variable "cidr" {
  description = "Of the zone's network."
  type        = string
}

variable "availability_zones" {
  type = list(string)
}

variable "secrets" {
  description = "ARNs of the secrets that what runs here reads."
  type        = list(string)
}

variable "repositories" {
  description = "ARNs of the repositories whose images Fargate starts here; none where machines run."
  type        = list(string)
}

variable "buckets" {
  description = "Objects in S3 that what runs here reads or writes."
  type        = list(object({ actions = list(string), resource = string }))
}

variable "relay" {
  description = "How the relay is reached: through its endpoint service, or by addresses. The zone of the relay itself has neither."
  type = object({
    endpoint_service = optional(string)
    cidrs            = optional(list(string), [])
    ports            = optional(list(number), [])
  })
}

variable "destinations" {
  description = "What else the zone may dial: name → addresses and port."
  type        = map(object({ cidr = string, port = number }))
}

variable "transit_gateway_id" {
  description = "The road to destinations of a private zone."
  type        = string
  default     = null
}

variable "nat_gateway_id" {
  description = "The road to destinations of a zone that faces the internet."
  type        = string
  default     = null
}

variable "logs" {
  type = object({ key_arn = string, retention_days = number })
}

variable "tags" {
  type = map(string)
}
