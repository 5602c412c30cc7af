output "arn" {
  value = aws_kms_key.zone.arn
}
