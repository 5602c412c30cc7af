import {
  createAccount,
  createOperator,
  createUser,
  decode,
  encodeOperator,
  encodeUser,
  fmtCreds,
  fromPublic,
  fromSeed,
  type KeyPair,
} from "@nats-io/jwt";
import { contracts, InstanceName, type ZoneInstance } from "@sallyport/contracts";
import { encodeSystemAccount, encodeTenantAccount, laterThan, revocationsIn } from "./account-jwt.ts";
import { permissionsFor, type UserPermissions } from "./permissions.ts";
import { provisionerPermissions } from "./provisioner.ts";
import { relayOperatorPermissions } from "./relay-operator.ts";

/** The public half: what a server is configured with. */
export interface TrustDocuments {
  operator: string;
  systemAccount: AccountDocument;
  /** By tenant. An account's JWT holds what was revoked in it. */
  accounts: Readonly<Record<string, AccountDocument>>;
}
export interface AccountDocument {
  id: string;
  jwt: string;
}

/** The private half, as nkey seeds. Whoever holds `operator` owns the relay; an account's makes that tenant's users. */
export interface TrustSeeds {
  operator: Uint8Array;
  systemAccount: Uint8Array;
  accounts: Readonly<Record<string, Uint8Array>>;
}

interface TrustKeys {
  operator: KeyPair;
  systemAccount: KeyPair;
  accounts: Map<string, KeyPair>;
}

/** The tenant of a trust that was told of none. */
const onlyTenant = "sallyport";

/**
 * Who says who may connect: an operator, its system account, and one account for each tenant. NATS lets no message cross
 * from one account to another, whatever its subject. The keys are private fields, so that no log or inspection of this
 * object shows them.
 */
export class Trust {
  readonly #keys: TrustKeys;
  #documents: TrustDocuments;

  private constructor(documents: TrustDocuments, keys: TrustKeys) {
    this.#documents = documents;
    this.#keys = keys;
  }

  static async create(name: string, tenants: readonly string[]): Promise<Trust> {
    if (tenants.length === 0) throw new RangeError("a relay without a tenant carries nothing: name one");
    const operator = createOperator();
    const systemAccount = createAccount();
    const system = systemAccount.getPublicKey();
    const trust = new Trust(
      {
        operator: await encodeOperator(name, operator, { system_account: system }),
        systemAccount: { id: system, jwt: await encodeSystemAccount(systemAccount, operator) },
        accounts: {},
      },
      { operator, systemAccount, accounts: new Map() },
    );
    for (const tenant of tenants) await trust.addTenant(tenant);
    return trust;
  }

  static restore(documents: TrustDocuments, seeds: TrustSeeds): Trust {
    const accounts = Object.entries(seeds.accounts).map(
      ([tenant, seed]) => [tenant, fromSeed(seed)] as const,
    );
    const keys = {
      operator: fromSeed(seeds.operator),
      systemAccount: fromSeed(seeds.systemAccount),
      accounts: new Map(accounts),
    };
    const fits =
      decode(documents.operator).sub === keys.operator.getPublicKey() &&
      keys.systemAccount.getPublicKey() === documents.systemAccount.id &&
      Object.entries(documents.accounts).every(([t, { id }]) => keys.accounts.get(t)?.getPublicKey() === id);
    if (fits) return new Trust(documents, keys);
    throw new Error("the seeds and the JWTs belong to different keys: restore both from the same place");
  }

  get documents(): TrustDocuments {
    return this.#documents;
  }

  /** The operator's public key, `O…`: what zones know this installation by. */
  get operatorId(): string {
    return this.#keys.operator.getPublicKey();
  }

  tenants(): string[] {
    return Object.keys(this.#documents.accounts);
  }

  /** A new account. Throws when the tenant has one. */
  async addTenant(tenant: string): Promise<void> {
    if (!InstanceName.safeParse(tenant).success)
      throw new RangeError(`${JSON.stringify(tenant)} is no tenant's name`);
    if (this.#keys.accounts.has(tenant)) throw new RangeError(`the tenant ${tenant} has an account already`);
    const key = createAccount();
    this.#keys.accounts.set(tenant, key);
    await this.#signAccount(tenant, {});
  }

  /** Users whose JWT is older than the time given are cut off; what was revoked before stays so. */
  async revoke(tenant: string, publicKey: string, at: Date): Promise<void> {
    const before = this.revocations(tenant);
    const seconds = Math.max(Math.floor(at.getTime() / 1000), before[publicKey] ?? 0);
    await this.#signAccount(tenant, { ...before, [fromPublic(publicKey).getPublicKey()]: seconds });
  }

  /** User's public key → Unix seconds up to which its JWTs are worth nothing. */
  revocations(tenant: string): Readonly<Record<string, number>> {
    return revocationsIn(this.#account(tenant).document.jwt);
  }

  /** Copies of the seeds, for the one who stores them. */
  seeds(): TrustSeeds {
    const accounts = [...this.#keys.accounts].map(([tenant, key]) => [tenant, key.getSeed().slice()]);
    return {
      operator: this.#keys.operator.getSeed().slice(),
      systemAccount: this.#keys.systemAccount.getSeed().slice(),
      accounts: Object.fromEntries(accounts),
    };
  }

  /** A new key and a JWT for it, as the text of a creds file. */
  async sign(name: string, permissions: UserPermissions, tenant = this.#soleTenant()): Promise<Uint8Array> {
    const user = createUser();
    return fmtCreds(await this.signUser(name, { publicKey: user.getPublicKey(), permissions, tenant }), user);
  }

  /** A JWT for a key whose private half is somewhere else, and stays there. */
  async signUser(
    name: string,
    of: { publicKey: string; permissions: UserPermissions; tenant: string },
  ): Promise<string> {
    const { key } = this.#account(of.tenant);
    return await encodeUser(name, fromPublic(of.publicKey), key, { ...of.permissions, ...userLimits });
  }

  /** Creds of the one user that the system account has: it hands the relay new account JWTs, and asks who is connected. */
  async issueRelayOperator(): Promise<Uint8Array> {
    const user = createUser();
    const permissions = relayOperatorPermissions();
    const jwt = await encodeUser("relay-operator", user, this.#keys.systemAccount, {
      ...permissions,
      ...userLimits,
    });
    return fmtCreds(jwt, user);
  }

  /** Ed25519 over the bytes, with the operator's key. */
  signAsOperator(bytes: Uint8Array): Uint8Array {
    return this.#keys.operator.sign(bytes);
  }

  #soleTenant(): string {
    const [tenant, ...others] = this.tenants();
    if (tenant !== undefined && others.length === 0) return tenant;
    throw new RangeError(`say which tenant the user is of: ${this.tenants().join(", ")}`);
  }

  #account(tenant: string): { document: AccountDocument; key: KeyPair } {
    const document = this.#documents.accounts[tenant];
    const key = this.#keys.accounts.get(tenant);
    if (document !== undefined && key !== undefined) return { document, key };
    throw new RangeError(
      `there is no tenant ${JSON.stringify(tenant)}: use one of ${this.tenants().join(", ")}`,
    );
  }

  async #signAccount(tenant: string, revocations: Readonly<Record<string, number>>): Promise<void> {
    const key = this.#keys.accounts.get(tenant) as KeyPair;
    const former = this.#documents.accounts[tenant];
    if (former !== undefined) await laterThan(former.jwt);
    const jwt = await encodeTenantAccount(tenant, { key, operator: this.#keys.operator, revocations });
    const accounts = { ...this.#documents.accounts, [tenant]: { id: key.getPublicKey(), jwt } };
    this.#documents = { ...this.#documents, accounts };
  }
}

/** New keys, in memory only: `storeTrust` writes them down. One tenant unless told. */
export function createTrust(options: { name: string; tenants?: readonly string[] }): Promise<Trust> {
  return Trust.create(options.name, options.tenants ?? [onlyTenant]);
}

/**
 * A creds file (JWT and nkey seed: a secret) for one instance, with what the contracts allow it and no more. The tenant
 * may be left out where there is one.
 */
export function issueUser(
  trust: Trust,
  who: ZoneInstance | "provisioner",
  tenant?: string,
): Promise<Uint8Array> {
  return who === "provisioner"
    ? trust.sign("provisioner", provisionerPermissions(contracts), tenant)
    : trust.sign(userName(who), permissionsFor(who, contracts), tenant);
}

/** The same for a key that the instance made for itself: a JWT, and no secret. */
export function signUser(
  trust: Trust,
  who: ZoneInstance,
  of: { tenant: string; publicKey: string },
): Promise<string> {
  return trust.signUser(userName(who), { ...of, permissions: permissionsFor(who, contracts) });
}

/** The name in an instance's JWT. */
const userName = ({ zone, instance }: ZoneInstance) => `${zone}/${instance}`;

const userLimits = {
  ...{ subs: 1024, payload: 1024 * 1024, data: -1, bearer_token: false },
  // No leafnode, no MQTT: both speak for subjects in ways of their own.
  allowed_connection_types: ["STANDARD" as const, "WEBSOCKET" as const],
};
