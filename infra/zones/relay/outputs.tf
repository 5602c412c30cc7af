output "endpoint_service" {
  description = "What other zones' `relay.endpoint_service` is."
  value       = aws_vpc_endpoint_service.relay.service_name
}

output "verification" {
  description = "TXT record with which the name's owner says that it may lead to the endpoint service."
  value       = aws_vpc_endpoint_service.relay.private_dns_name_configuration
}

output "dns_name" {
  description = "Of the load balancer: the relay's public name leads here."
  value       = module.front_door.dns_name
}
