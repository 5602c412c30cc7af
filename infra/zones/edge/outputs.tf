output "dns_name" {
  description = "Of the load balancer: the name in `publicUrl` leads here."
  value       = module.front_door.dns_name
}
