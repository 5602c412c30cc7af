# What the instances of a zone read of their own before they start: secrets by reference, and public files, which are
# their bundle, policies, authorities. `fetch.sh` is how they do.
locals {
  bucket = "${var.name}-files-${var.account_id}"
  objects = merge([for name, instance in var.instances : {
    for file, path in instance.files : "${name}/${file}" => {
      content = file(path)
      # By its content: a task that starts again gets what it had, and a change is a new task.
      key = "${name}/${file}/${sha256(file(path))}"
    }
  }]...)
}

module "bucket" {
  source = "../bucket"
  name   = local.bucket
  public = true
  tags   = var.tags
}

# Public: bundles are signed, and what was fetched is compared with its digest.
resource "aws_s3_object" "public" {
  for_each               = local.objects
  bucket                 = module.bucket.name
  key                    = each.value.key
  content                = each.value.content
  server_side_encryption = "AES256"
}
