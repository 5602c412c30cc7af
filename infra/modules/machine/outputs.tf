output "user_data" {
  description = "By instance, in clear."
  value       = local.user_data
}

output "instance_profiles" {
  description = "Name of the profile, by instance."
  value       = { for name, profile in aws_iam_instance_profile.machine : name => profile.name }
}
