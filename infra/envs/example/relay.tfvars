account_id         = "111111111111"
region             = "eu-west-1"
availability_zones = ["eu-west-1a", "eu-west-1b", "eu-west-1c"]
cidr               = "10.20.8.0/22"

secrets_key_arn = "arn:aws:kms:eu-west-1:111111111111:key/00000000-0000-4000-8000-000000000001"


host      = "relay.example.com"
clients   = ["198.51.100.0/24"]
consumers = ["arn:aws:iam::222222222222:root", "arn:aws:iam::333333333333:root"]
ami       = "ami-0123456789abcdef0"

files = {
  "nats-server.conf" = "../../envs/example/files/nats-server.conf"
  "accounts.conf"    = "../../envs/example/files/accounts.conf"
  "tls.crt"          = "../../envs/example/files/private-ca.pem"
  "cluster.crt"      = "../../envs/example/files/private-ca.pem"
  "cluster-ca.pem"   = "../../envs/example/files/private-ca.pem"
}
secrets = {
  "tls.key"     = "arn:aws:secretsmanager:eu-west-1:111111111111:secret:sallyport/relay/tls.key-AbCdEf"
  "cluster.key" = "arn:aws:secretsmanager:eu-west-1:111111111111:secret:sallyport/relay/cluster.key-AbCdEf"
}
