output "name" {
  description = "For those who write into it: an object from before it kept versions would stay behind when all is destroyed."
  value       = aws_s3_bucket.this.bucket
  depends_on  = [aws_s3_bucket_versioning.this]
}
