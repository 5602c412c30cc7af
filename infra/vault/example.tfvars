existing_mounts = ["approle", "secret"] # of approle, secret and database: what your Vault has already
broker_cidrs    = ["10.20.0.0/24"]      # the broker's logins and tokens are good from there alone

databases = {
  shop = { host = "db.example.com", database = "shop", username = "vault" } # the role becomes sallyport-shop
}

identities = { # who says what an instance is: here a Kubernetes cluster
  issuer   = "https://cluster.example.com"
  audience = "vault.example.com"
  jwks_url = "https://cluster.example.com/openid/v1/jwks"
}

instances = {
  edge-1   = { zone = "edge", claims = { sub = "system:serviceaccount:sallyport:edge-1" }, dns_names = ["agents.example.com"] }
  paris    = { zone = "connector", claims = { sub = "system:serviceaccount:sallyport:paris" } }
  broker-1 = { zone = "broker", claims = { sub = "system:serviceaccount:sallyport:broker-1" } }
}
