# A bucket that only its own account reads, and that keeps what was written.
resource "aws_s3_bucket" "this" {
  bucket              = var.name
  object_lock_enabled = var.locked_days != null
  force_destroy       = false
  tags                = var.tags
}

resource "aws_s3_bucket_public_access_block" "this" {
  bucket                  = aws_s3_bucket.this.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_ownership_controls" "this" {
  bucket = aws_s3_bucket.this.id
  rule {
    object_ownership = "BucketOwnerEnforced"
  }
}

resource "aws_s3_bucket_versioning" "this" {
  bucket = aws_s3_bucket.this.id
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_server_side_encryption_configuration" "this" {
  bucket = aws_s3_bucket.this.id
  rule {
    bucket_key_enabled = !var.public
    apply_server_side_encryption_by_default {
      sse_algorithm     = var.public ? "AES256" : "aws:kms"
      kms_master_key_id = var.key_arn
    }
  }
}

# COMPLIANCE: nobody shortens it, the account's root user neither.
resource "aws_s3_bucket_object_lock_configuration" "this" {
  for_each = toset(var.locked_days == null ? [] : ["locked"])
  bucket   = aws_s3_bucket.this.id
  rule {
    default_retention {
      mode = "COMPLIANCE"
      days = var.locked_days
    }
  }
  depends_on = [aws_s3_bucket_versioning.this]
}

# What is public and signed may be fetched as anything; the rest over TLS alone.
resource "aws_s3_bucket_policy" "this" {
  for_each = toset(var.public ? [] : ["tls-only"])
  bucket   = aws_s3_bucket.this.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "TlsOnly", Effect = "Deny", Principal = "*", Action = "s3:*"
      Resource  = ["arn:aws:s3:::${var.name}", "arn:aws:s3:::${var.name}/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })
  depends_on = [aws_s3_bucket_public_access_block.this]
}
