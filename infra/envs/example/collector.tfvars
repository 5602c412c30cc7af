account_id         = "111111111111"
region             = "eu-west-1"
availability_zones = ["eu-west-1a", "eu-west-1b"]
cidr               = "10.20.16.0/22"

instances = {
  collector-1 = {
    bundle = "../../envs/example/bundles/collector-1.bundle.json"
    files = {
      "otlp-ca.pem" = "../../envs/example/files/private-ca.pem"
    }
    secrets = {
      "nats.seed"   = "arn:aws:secretsmanager:eu-west-1:111111111111:secret:sallyport/collector/collector-1/nats.seed-AbCdEf"
      "otlp-header" = "arn:aws:secretsmanager:eu-west-1:111111111111:secret:sallyport/collector/collector-1/otlp-header-AbCdEf"
    }
  }
}
operator        = "OAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
secrets_key_arn = "arn:aws:kms:eu-west-1:111111111111:key/00000000-0000-4000-8000-000000000001"

images = {
  app     = { repository = "arn:aws:ecr:eu-west-1:111111111111:repository/sallyport/collector", digest = "sha256:0000000000000000000000000000000000000000000000000000000000000001" }
  cli     = { repository = "arn:aws:ecr:eu-west-1:111111111111:repository/sallyport/cli", digest = "sha256:0000000000000000000000000000000000000000000000000000000000000002" }
  aws_cli = { repository = "arn:aws:ecr:eu-west-1:111111111111:repository/aws-cli", digest = "sha256:0000000000000000000000000000000000000000000000000000000000000003" }
}

relay              = { endpoint_service = "com.amazonaws.vpce.eu-west-1.vpce-svc-0123456789abcdef0" }
transit_gateway_id = "tgw-0123456789abcdef0"
destinations = {
  "otlp" = { cidr = "10.9.1.8/32", port = 443 }
}
archive_days = 365
