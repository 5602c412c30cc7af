# What the variables refuse. Nothing is applied; the provider only says what its resources look like.

mock_provider "vault" {}

variables {
  broker_cidrs = ["10.20.0.0/24"]
  identities = {
    issuer   = "https://cluster.example"
    audience = "vault"
    jwks_url = "https://cluster.example/keys"
  }
}

run "nothing_but_the_broker_is_a_plan" {
  command = plan

  variables {
    identities = null
  }
}

run "logins_from_anywhere" {
  command = plan

  variables {
    broker_cidrs = []
  }

  expect_failures = [var.broker_cidrs]
}

run "logins_from_the_whole_internet" {
  command = plan

  variables {
    broker_cidrs = ["0.0.0.0/0"]
  }

  expect_failures = [var.broker_cidrs]
}

run "a_network_that_is_none" {
  command = plan

  variables {
    broker_cidrs = ["broker"]
  }

  expect_failures = [var.broker_cidrs]
}

run "an_instance_that_every_token_fits" {
  command = plan

  variables {
    instances = { edge-1 = { zone = "edge", claims = {} } }
  }

  expect_failures = [var.instances]
}

run "two_instances_that_the_same_token_fits" {
  command = plan

  variables {
    instances = {
      edge-1 = { zone = "edge", claims = { sub = "a" } }
      paris  = { zone = "connector", claims = { sub = "a" } }
    }
  }

  expect_failures = [var.instances]
}

run "two_instances_that_a_token_could_fit" {
  command = plan

  variables {
    instances = {
      edge-1 = { zone = "edge", claims = { sub = "a" } }
      paris  = { zone = "connector", claims = { site = "paris" } }
    }
  }

  expect_failures = [var.instances]
}

run "an_instance_of_no_zone" {
  command = plan

  variables {
    instances = { admin = { zone = "operator", claims = { sub = "a" } } }
  }

  expect_failures = [var.instances]
}

run "a_name_that_would_be_a_path" {
  command = plan

  variables {
    instances = { "edge/*" = { zone = "edge", claims = { sub = "a" } } }
  }

  expect_failures = [var.instances]
}

run "a_certificate_for_who_listens_on_nothing" {
  command = plan

  variables {
    instances = { paris = { zone = "connector", claims = { sub = "a" }, dns_names = ["paris.example.com"] } }
  }

  expect_failures = [var.instances]
}

run "a_certificate_for_every_name" {
  command = plan

  variables {
    instances = { edge-1 = { zone = "edge", claims = { sub = "a" }, dns_names = ["*.example.com"] } }
  }

  expect_failures = [var.instances]
}

run "instances_without_an_issuer" {
  command = plan

  variables {
    identities = null
    instances  = { edge-1 = { zone = "edge", claims = { sub = "a" } } }
  }

  expect_failures = [var.instances]
}

run "an_issuer_without_keys" {
  command = plan

  variables {
    identities = { issuer = "https://cluster.example", audience = "vault" }
  }

  expect_failures = [var.identities]
}

run "tokens_for_anybody" {
  command = plan

  variables {
    identities = { issuer = "https://cluster.example", audience = "", jwks_url = "https://cluster.example/keys" }
  }

  expect_failures = [var.identities]
}

run "a_database_without_a_password" {
  command = plan

  variables {
    databases = { shop = { host = "db.example", database = "shop", username = "vault" } }
  }

  expect_failures = [var.database_passwords]
}

run "a_mount_that_nobody_has_for_us" {
  command = plan

  variables {
    existing_mounts = ["sallyport-pki"]
  }

  expect_failures = [var.existing_mounts]
}
