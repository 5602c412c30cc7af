# What the root must refuse; `-var-file` has the rest. Nobody is asked: the provider is a mock. A run gives one wrong value
# for each variable, and fails unless each of them is refused.
mock_provider "aws" {}

run "the_example_is_taken" {
  command = plan
}

run "a_careless_hand" {
  command = plan
  variables {
    # no account
    account_id = "sallyport"
    # logs that are soon gone
    log_retention_days = 30
    # too small a network
    cidr = "10.20.0.0/24"
    # one zone alone
    availability_zones = ["eu-west-1a"]
    # a key by its alias
    secrets_key_arn = "arn:aws:kms:eu-west-1:123456789012:alias/ours"
    # the configuration is missing
    files = {}
    # the keys are missing
    secrets = {}
  }
  expect_failures = [var.account_id, var.log_retention_days, var.cidr, var.availability_zones, var.secrets_key_arn, var.files, var.secrets]
}

run "another_s_things" {
  command = plan
  variables {
    # a private key among what is public
    files = {
      "nats-server.conf" = "../../envs/example/files/nats-server.conf"
      "accounts.conf"    = "../../envs/example/files/accounts.conf"
      "tls.crt"          = "tests/not-a-real.key"
      "cluster.crt"      = "../../envs/example/files/private-ca.pem"
      "cluster-ca.pem"   = "../../envs/example/files/private-ca.pem"
    }
    # everybody
    clients = ["0.0.0.0/0"]
    # everybody
    consumers = ["*"]
  }
  expect_failures = [var.files, var.clients, var.consumers]
}
