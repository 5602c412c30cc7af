variable "name" {
  description = "Of the zone's resources: the installation and the zone."
  type        = string
}

variable "zone" {
  description = "connector, broker, …: the name of the settings file."
  type        = string
}

variable "account_id" {
  type = string
}

variable "region" {
  type = string
}

variable "instances" {
  description = "By name: file → ARN of a secret; file → path of a public one, bundle.json among them."
  type        = map(object({ secrets = map(string), files = map(string) }))
}

variable "operator" {
  description = "Public key of the operator whose bundles count."
  type        = string
}

variable "secrets_key_arn" {
  type = string
}

variable "images" {
  description = "Repository in ECR and digest of the program, of the sallyport command and of the AWS CLI."
  type = object({
    app     = object({ repository = string, digest = string })
    cli     = object({ repository = string, digest = string })
    aws_cli = object({ repository = string, digest = string })
  })
}

variable "architecture" {
  type = string
}

variable "size" {
  type = object({ cpu = number, memory = number })
}

variable "statements" {
  description = "What else the program may do, as statements of a policy."
  type        = any
  default     = []
}

variable "settings" {
  description = "SALLYPORT_* variables: settings that are paths or numbers of this place. No secret is one."
  type        = map(string)
  default     = {}
}

variable "listener" {
  description = "For the edge alone: what the load balancer sends to."
  type        = object({ port = number, target_group_arn = string })
  default     = null
}

variable "subnet_ids" {
  type = list(string)
}

variable "security_group_id" {
  type = string
}

variable "logs" {
  type = object({ key_arn = string, retention_days = number })
}

variable "tags" {
  type = map(string)
}
