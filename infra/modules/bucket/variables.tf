variable "name" {
  type = string
}

variable "public" {
  description = "Whether what lies here may be known to everybody: S3's own key encrypts it then. Nobody else reads it still."
  type        = bool
}

variable "key_arn" {
  description = "Of the KMS key that encrypts what is not public."
  type        = string
  default     = null
}

variable "locked_days" {
  description = "How long nobody can delete or change what was written. Without it there is no lock."
  type        = number
  default     = null
}

variable "tags" {
  type = map(string)
}
