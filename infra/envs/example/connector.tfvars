account_id         = "111111111111"
region             = "eu-west-1"
availability_zones = ["eu-west-1a", "eu-west-1b"]
cidr               = "10.20.0.0/22"

instances = {
  paris = {
    bundle = "../../envs/example/bundles/paris.bundle.json"
    files = {
      "policies/support.cedar" = "../../envs/example/files/support.cedar"
      "crm-ca.pem"             = "../../envs/example/files/private-ca.pem"
    }
    secrets = {
      "nats.seed" = "arn:aws:secretsmanager:eu-west-1:111111111111:secret:sallyport/connector/paris/nats.seed-AbCdEf"
      "seal.key"  = "arn:aws:secretsmanager:eu-west-1:111111111111:secret:sallyport/connector/paris/seal.key-AbCdEf"
    }
  }
}
operator        = "OAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
secrets_key_arn = "arn:aws:kms:eu-west-1:111111111111:key/00000000-0000-4000-8000-000000000001"

images = {
  app     = { repository = "arn:aws:ecr:eu-west-1:111111111111:repository/sallyport/connector", digest = "sha256:0000000000000000000000000000000000000000000000000000000000000001" }
  cli     = { repository = "arn:aws:ecr:eu-west-1:111111111111:repository/sallyport/cli", digest = "sha256:0000000000000000000000000000000000000000000000000000000000000002" }
  aws_cli = { repository = "arn:aws:ecr:eu-west-1:111111111111:repository/aws-cli", digest = "sha256:0000000000000000000000000000000000000000000000000000000000000003" }
}

relay              = { endpoint_service = "com.amazonaws.vpce.eu-west-1.vpce-svc-0123456789abcdef0" }
transit_gateway_id = "tgw-0123456789abcdef0"
destinations = {
  "crm"    = { cidr = "10.8.1.10/32", port = 8443 }
  "wiki"   = { cidr = "10.8.2.0/28", port = 443 }
  "issuer" = { cidr = "192.0.2.10/32", port = 443 }
}
