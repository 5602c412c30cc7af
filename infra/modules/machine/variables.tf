variable "name" {
  type = string
}

variable "zone" {
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
}

variable "secrets_key_arn" {
  type = string
}

variable "programs" {
  description = "What the machine's image must have on PATH."
  type        = list(string)
}

variable "begin" {
  description = "Script that runs when the files are there, before the program starts."
  type        = string
}

variable "unit" {
  description = "The program's systemd unit."
  type        = string
}

variable "environment" {
  description = "Of `begin` and of the unit that reads /etc/sallyport/files.env. No secret is in it."
  type        = map(string)
  default     = {}
}

variable "logs" {
  type = object({ key_arn = string, retention_days = number })
}

variable "tags" {
  type = map(string)
}
