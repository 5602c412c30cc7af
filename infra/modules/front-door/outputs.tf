output "dns_name" {
  value = aws_lb.door.dns_name
}

output "load_balancer_arn" {
  value = aws_lb.door.arn
}

output "target_group_arns" {
  description = "By the listener's name."
  value       = { for name, group in aws_lb_target_group.inside : name => group.arn }
}

output "nat_gateway_id" {
  value = var.nat ? aws_nat_gateway.nat["nat"].id : null
}
