variable "name" {
  type = string
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
  validation {
    condition = alltrue(flatten([for instance in var.instances : [for file in concat(keys(instance.secrets), keys(instance.files)) :
      can(regex("^[a-z0-9][a-z0-9._-]*(/[a-z0-9][a-z0-9._-]*)?$", file))
    ]]))
    error_message = "files and secrets are named in lower case, with at most one folder."
  }
  validation {
    condition = alltrue(flatten([for instance in var.instances : [for arn in values(instance.secrets) :
      can(regex("^arn:aws:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9/_+.@-]+$", arn))
    ]]))
    error_message = "instances.*.secrets are whole ARNs of AWS Secrets Manager."
  }
}

variable "secrets_key_arn" {
  description = "The KMS key that encrypts these secrets."
  type        = string
}

variable "tags" {
  type = map(string)
}
