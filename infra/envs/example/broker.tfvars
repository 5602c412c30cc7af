account_id         = "111111111111"
region             = "eu-west-1"
availability_zones = ["eu-west-1a", "eu-west-1b"]
cidr               = "10.20.12.0/22"

instances = {
  broker-1 = {
    bundle = "../../envs/example/bundles/broker-1.bundle.json"
    files = {
      "lease-rules.yaml" = "../../envs/example/files/lease-rules.yaml"
      "vault-ca.pem"     = "../../envs/example/files/private-ca.pem"
    }
    secrets = {
      "nats.seed" = "arn:aws:secretsmanager:eu-west-1:111111111111:secret:sallyport/broker/broker-1/nats.seed-AbCdEf"
      "role-id"   = "arn:aws:secretsmanager:eu-west-1:111111111111:secret:sallyport/broker/broker-1/role-id-AbCdEf"
      "secret-id" = "arn:aws:secretsmanager:eu-west-1:111111111111:secret:sallyport/broker/broker-1/secret-id-AbCdEf"
    }
  }
}
operator        = "OAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
secrets_key_arn = "arn:aws:kms:eu-west-1:111111111111:key/00000000-0000-4000-8000-000000000001"

images = {
  app     = { repository = "arn:aws:ecr:eu-west-1:111111111111:repository/sallyport/broker", digest = "sha256:0000000000000000000000000000000000000000000000000000000000000001" }
  cli     = { repository = "arn:aws:ecr:eu-west-1:111111111111:repository/sallyport/cli", digest = "sha256:0000000000000000000000000000000000000000000000000000000000000002" }
  aws_cli = { repository = "arn:aws:ecr:eu-west-1:111111111111:repository/aws-cli", digest = "sha256:0000000000000000000000000000000000000000000000000000000000000003" }
}

relay              = { endpoint_service = "com.amazonaws.vpce.eu-west-1.vpce-svc-0123456789abcdef0" }
transit_gateway_id = "tgw-0123456789abcdef0"
destinations = {
  "vault" = { cidr = "10.9.0.5/32", port = 8200 }
}
