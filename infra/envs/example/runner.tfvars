account_id         = "111111111111"
region             = "eu-west-1"
availability_zones = ["eu-west-1a", "eu-west-1b"]
cidr               = "10.20.20.0/22"

instances = {
  runner-1 = {
    bundle = "../../envs/example/bundles/runner-1.bundle.json"
    files = {
      "policies/support.cedar" = "../../envs/example/files/support.cedar"
    }
    secrets = {
      "nats.seed" = "arn:aws:secretsmanager:eu-west-1:111111111111:secret:sallyport/runner/runner-1/nats.seed-AbCdEf"
      "seal.key"  = "arn:aws:secretsmanager:eu-west-1:111111111111:secret:sallyport/runner/runner-1/seal.key-AbCdEf"
    }
  }
}
operator        = "OAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
secrets_key_arn = "arn:aws:kms:eu-west-1:111111111111:key/00000000-0000-4000-8000-000000000001"

relay              = { endpoint_service = "com.amazonaws.vpce.eu-west-1.vpce-svc-0123456789abcdef0" }
transit_gateway_id = "tgw-0123456789abcdef0"
destinations = {
  "issuer" = { cidr = "192.0.2.10/32", port = 443 }
  "crm"    = { cidr = "10.8.1.10/32", port = 8443 }
}
ami = "ami-0123456789abcdef0"
