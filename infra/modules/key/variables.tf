variable "name" {
  description = "Of the zone's resources; the alias of the key."
  type        = string
}

variable "account_id" {
  type = string
}

variable "region" {
  type = string
}

variable "log_groups" {
  description = "Pattern of the names of the log groups that the key encrypts."
  type        = string
}

variable "used_by" {
  description = "Whose disks the key encrypts: \"fargate\", \"autoscaling\", or \"instances\", which need no word in its policy."
  type        = string
  validation {
    condition     = contains(["fargate", "autoscaling", "instances"], var.used_by)
    error_message = "used_by is \"fargate\", \"autoscaling\" or \"instances\"."
  }
}

variable "tags" {
  type = map(string)
}
