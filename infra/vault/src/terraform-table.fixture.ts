/** The instances of an installation, and what its platform says of each. */
export const instances = {
  "edge-1": { zone: "edge", claims: { sub: "edge" }, dns_names: ["agents.example.com"] },
  "relay-1": { zone: "relay", claims: { sub: "relay" }, dns_names: ["relay.example.com"] },
  paris: { zone: "connector", claims: { sub: "connector", site: "paris" } },
  rome: { zone: "connector", claims: { sub: "connector", site: "rome" } },
  // One claim with a comma in it, and not a list in which rome is, too.
  "oslo-rome": { zone: "connector", claims: { sub: "connector", site: "oslo,rome" } },
  "runner-1": { zone: "runner", claims: { sub: "runner" } },
  "broker-1": { zone: "broker", claims: { sub: "broker" } },
  "collector-1": { zone: "collector", claims: { sub: "collector" } },
} as const;
export type Name = keyof typeof instances;
export const names = Object.keys(instances) as Name[];

export const secretIdPath = "auth/approle/role/sallyport-broker/secret-id";

/** What each may call. Everything else in this table is refused to it. */
export const sharedPaths = [
  "GET secret/data/sallyport/crm",
  "GET secret/data/payroll",
  "LIST secret/metadata/sallyport",
  "POST secret/data/sallyport/crm",
  "GET database/creds/sallyport-shop",
  "GET database/creds/other",
  "GET database/config/sallyport-shop",
  "POST database/rotate-root/sallyport-shop",
  `POST ${secretIdPath}`,
  "GET auth/approle/role/sallyport-broker/role-id",
  "POST auth/sallyport-jwt/role/edge-1",
  "POST auth/sallyport-jwt/config",
  "POST sys/policies/acl/sallyport-instance-paris",
  "GET sys/policies/acl/sallyport-broker",
  "GET sys/mounts",
  "POST sys/mounts/mine",
  "GET sys/auth",
  "POST sys/seal",
  "LIST sys/leases/lookup/database/creds/",
  "POST auth/token/create",
  "POST auth/token/create-orphan",
  "GET auth/token/lookup-self",
  "GET identity/entity/id",
  "POST sallyport-pki/root/sign-intermediate",
  "POST sallyport-pki/sign-verbatim/edge-1",
  "POST sallyport-pki/roles/edge-1",
  "POST sallyport-pki/revoke",
  ...names.flatMap((name) => [
    `POST sallyport-files/decrypt/${name}`,
    `POST sallyport-files/encrypt/${name}`,
    `POST sallyport-files/rewrap/${name}`,
    `GET sallyport-files/export/encryption-key/${name}`,
    `POST sallyport-files/keys/${name}/config`,
    `POST sallyport-pki/sign/${name}`,
    `POST sallyport-pki/issue/${name}`,
  ]),
];
export const may: Record<Name | "the broker", readonly string[]> = {
  "edge-1": ["POST sallyport-files/decrypt/edge-1", "POST sallyport-pki/sign/edge-1"],
  "relay-1": ["POST sallyport-files/decrypt/relay-1", "POST sallyport-pki/sign/relay-1"],
  paris: ["POST sallyport-files/decrypt/paris"],
  rome: ["POST sallyport-files/decrypt/rome"],
  "oslo-rome": ["POST sallyport-files/decrypt/oslo-rome"],
  "runner-1": ["POST sallyport-files/decrypt/runner-1"],
  "broker-1": ["POST sallyport-files/decrypt/broker-1", `POST ${secretIdPath}`],
  "collector-1": ["POST sallyport-files/decrypt/collector-1"],
  "the broker": [
    "GET secret/data/sallyport/crm",
    "GET database/creds/sallyport-shop",
    "GET auth/token/lookup-self",
  ],
};
