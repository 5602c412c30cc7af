output "vpc_id" {
  value = aws_vpc.zone.id
}

output "private_subnet_ids" {
  description = "By availability zone."
  value       = { for zone, subnet in aws_subnet.private : zone => subnet.id }
}

output "security_group_id" {
  description = "Of what runs in the zone."
  value       = aws_security_group.zone.id
}
