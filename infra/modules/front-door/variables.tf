variable "name" {
  type = string
}

variable "vpc_id" {
  type = string
}

variable "cidr" {
  description = "Of the zone's network; the upper half is for public subnets."
  type        = string
}

variable "availability_zones" {
  type = list(string)
}

variable "security_group_id" {
  description = "Of what runs in the zone: it is opened to the load balancer."
  type        = string
}

variable "callers" {
  description = "Addresses that may dial."
  type        = list(string)
}

variable "listeners" {
  description = "By name: the port outside, and the one that the zone's program listens on."
  type        = map(object({ port = number, target_port = number }))
}

variable "endpoint_service" {
  description = "Whether the load balancer is behind an endpoint service too."
  type        = bool
}

variable "nat" {
  description = "Whether the zone dials the internet itself."
  type        = bool
}

variable "deletion_protection" {
  type = bool
}

variable "tags" {
  type = map(string)
}
