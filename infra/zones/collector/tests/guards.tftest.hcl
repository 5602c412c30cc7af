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
    # a secret is missing
    instances = { collector-1 = { bundle = "../../envs/example/bundles/collector-1.bundle.json", secrets = {} } }
    # nobody
    operator = ""
    # no road to the destinations
    transit_gateway_id = null
    # a tag
    images = {
      app     = { repository = "arn:aws:ecr:eu-west-1:123456789012:repository/a", digest = "latest" }
      cli     = { repository = "arn:aws:ecr:eu-west-1:123456789012:repository/a", digest = "sha256:0000000000000000000000000000000000000000000000000000000000000000" }
      aws_cli = { repository = "arn:aws:ecr:eu-west-1:123456789012:repository/a", digest = "sha256:0000000000000000000000000000000000000000000000000000000000000000" }
    }
    # soon gone
    archive_days = 1
  }
  expect_failures = [var.account_id, var.log_retention_days, var.cidr, var.availability_zones, var.secrets_key_arn, var.instances, var.operator, var.transit_gateway_id, var.images, var.archive_days]
}

run "another_s_things" {
  command = plan
  variables {
    # another zone's bundle
    instances = { broker-1 = { bundle = "../../envs/example/bundles/broker-1.bundle.json", secrets = { "nats.seed" = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:a-AbCdEf" } } }
    # no road to it
    relay = {}
    # every port
    destinations = { all = { cidr = "10.1.2.3/32", port = 0 } }
  }
  expect_failures = [var.instances, var.relay, var.destinations]
}

run "too_much" {
  command = plan
  variables {
    # another instance's bundle
    instances = { somebody = { bundle = "../../envs/example/bundles/collector-1.bundle.json", secrets = { "nats.seed" = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:a-AbCdEf" } } }
    # two roads
    relay = { endpoint_service = "com.amazonaws.vpce.eu-west-1.vpce-svc-0", cidrs = ["192.0.2.0/28"] }
    # everything
    destinations = { all = { cidr = "0.0.0.0/0", port = 443 } }
  }
  expect_failures = [var.instances, var.relay, var.destinations]
}

run "a_relay_that_is_everywhere" {
  command = plan
  variables {
    # everywhere
    relay = { cidrs = ["0.0.0.0/0"] }
  }
  expect_failures = [var.relay]
}
