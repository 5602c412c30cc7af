output "script" {
  value = file("${path.module}/fetch.sh")
}

output "environment" {
  description = "Of fetch.sh, by instance. Names and places only."
  value = { for name, instance in var.instances : name => {
    AWS_DEFAULT_REGION = var.region
    BUCKET             = local.bucket
    ARNS               = join(" ", [for file in sort(keys(instance.secrets)) : "${file}=${instance.secrets[file]}"])
    OBJECTS = join(" ", [for file in sort(keys(instance.files)) :
      "${file}=${local.objects["${name}/${file}"].key}"
    ])
  } }
}

output "statements" {
  description = "Of the policy of the role that runs fetch.sh, by instance."
  value = { for name, instance in var.instances : name => [
    {
      Sid      = "OwnSecrets", Effect = "Allow", Action = ["secretsmanager:GetSecretValue"]
      Resource = sort(values(instance.secrets))
    },
    {
      Sid       = "OpenOwnSecrets", Effect = "Allow", Action = ["kms:Decrypt"], Resource = [var.secrets_key_arn]
      Condition = { StringEquals = { "kms:ViaService" = "secretsmanager.${var.region}.amazonaws.com" } }
    },
    {
      Sid      = "OwnFiles", Effect = "Allow", Action = ["s3:GetObject"]
      Resource = ["arn:aws:s3:::${local.bucket}/${name}/*"]
    },
  ] }
}

output "objects" {
  description = "For those who start when they are there."
  value       = [for object in aws_s3_object.public : object.key]
}
