import {
  createAccount,
  createOperator,
  createUser,
  encodeAccount,
  encodeOperator,
  encodeUser,
  fmtCreds,
  fromSeed,
  type KeyPair,
} from "@nats-io/jwt";
import { contracts, type ZoneInstance } from "@sallyport/contracts";
import { assetsOf } from "./assets.ts";
import { permissionsFor, type UserPermissions } from "./permissions.ts";
import { provisionerPermissions } from "./provisioner.ts";

/** The public half: what a server is configured with. */
export interface TrustDocuments {
  operator: string;
  systemAccount: { id: string; jwt: string };
  account: { id: string; jwt: string };
}

/** The private half, as nkey seeds. Whoever holds `operator` owns the relay; `account` makes users. */
export interface TrustSeeds {
  operator: Uint8Array;
  systemAccount: Uint8Array;
  account: Uint8Array;
}

/**
 * Who says who may connect: an operator, its system account (which gets no user), and the one account of all zones.
 * The keys are private fields, so that no log or inspection of this object shows them.
 */
export class Trust {
  readonly documents: TrustDocuments;
  readonly #keys: { operator: KeyPair; systemAccount: KeyPair; account: KeyPair };

  private constructor(documents: TrustDocuments, keys: Record<keyof TrustSeeds, KeyPair>) {
    this.documents = documents;
    this.#keys = keys;
  }

  static async create(name: string): Promise<Trust> {
    const keys = { operator: createOperator(), systemAccount: createAccount(), account: createAccount() };
    const system = keys.systemAccount.getPublicKey();
    const account = keys.account.getPublicKey();
    const signed = { signer: keys.operator };
    return new Trust(
      {
        operator: await encodeOperator(name, keys.operator, { system_account: system }),
        systemAccount: { id: system, jwt: await encodeAccount("SYS", keys.systemAccount, {}, signed) },
        account: {
          id: account,
          jwt: await encodeAccount("sallyport", keys.account, { limits: accountLimits() }, signed),
        },
      },
      keys,
    );
  }

  static restore(documents: TrustDocuments, seeds: TrustSeeds): Trust {
    const keys = {
      operator: fromSeed(seeds.operator),
      systemAccount: fromSeed(seeds.systemAccount),
      account: fromSeed(seeds.account),
    };
    if (
      keys.account.getPublicKey() !== documents.account.id ||
      keys.systemAccount.getPublicKey() !== documents.systemAccount.id
    ) {
      throw new Error("the seeds and the JWTs belong to different keys: restore both from the same place");
    }
    return new Trust(documents, keys);
  }

  /** Copies of the seeds, for the one who stores them. */
  seeds(): TrustSeeds {
    return {
      operator: this.#keys.operator.getSeed().slice(),
      systemAccount: this.#keys.systemAccount.getSeed().slice(),
      account: this.#keys.account.getSeed().slice(),
    };
  }

  /** A new key and a JWT for it, as the text of a creds file. */
  async sign(name: string, permissions: UserPermissions): Promise<Uint8Array> {
    const user = createUser();
    const jwt = await encodeUser(name, user, this.#keys.account, {
      ...permissions,
      ...userLimits,
      bearer_token: false,
      // No leafnode, no MQTT: both speak for subjects in ways of their own.
      allowed_connection_types: ["STANDARD", "WEBSOCKET"],
    });
    return fmtCreds(jwt, user);
  }
}

/** New keys, in memory only: `storeTrust` writes them down. */
export function createTrust(options: { name: string }): Promise<Trust> {
  return Trust.create(options.name);
}

/** A creds file (JWT and nkey seed: a secret) for one instance, with what the contracts allow it and no more. */
export function issueUser(trust: Trust, who: ZoneInstance | "provisioner"): Promise<Uint8Array> {
  return who === "provisioner"
    ? trust.sign("provisioner", provisionerPermissions(contracts))
    : trust.sign(`${who.zone}/${who.instance}`, permissionsFor(who, contracts));
}

const userLimits = { subs: 1024, payload: 1024 * 1024, data: -1 };

function accountLimits() {
  const streams = assetsOf(contracts).length;
  return {
    ...{ subs: -1, data: -1, payload: 1024 * 1024, conn: 4096, wildcards: true, disallow_bearer: true },
    ...{ leaf: 0, imports: 0, exports: 0 },
    // Bytes on disk are bounded by each stream and by the server's `max_file_store`; nothing is kept in memory alone.
    ...{ streams, consumer: 4096, disk_storage: -1, mem_storage: 0, max_bytes_required: true },
  };
}
