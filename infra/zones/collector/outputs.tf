output "archive" {
  description = "The bucket that keeps what was written."
  value       = module.archive.name
}
