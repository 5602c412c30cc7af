import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { request } from "node:http";
import { join } from "node:path";
import {
  buildProvider,
  findTerraform,
  NotToBeHad,
  type OpenBao,
  openTerraform,
  type Terraform,
  vaultProvider,
} from "@sallyport/testkit";

export const root = join(import.meta.dirname, "..");

/** The provider's program; or why Terraform cannot be tried on this machine, said aloud. */
export async function provider(): Promise<{ program: string } | { missing: string }> {
  try {
    await findTerraform();
    return { program: await buildProvider(vaultProvider, { onProgress: (text) => console.warn(text) }) };
  } catch (error) {
    if (!(error instanceof NotToBeHad)) throw error;
    console.warn(`NOT TESTED: infra/vault's Terraform root. ${error.message}`);
    return { missing: error.message };
  }
}

export function openRoot(
  program: string,
  bao: OpenBao,
  env: Readonly<Record<string, string>> = {},
): Promise<Terraform> {
  const vault = { VAULT_ADDR: bao.url, VAULT_TOKEN: bao.rootToken };
  return openTerraform({ root, provider: vaultProvider, program, env: { ...vault, ...env } });
}

/** Who issues the tokens of a platform: a Kubernetes cluster, a cloud, a CI system. */
export class Platform {
  readonly issuer = "https://platform.example";
  readonly audience = "vault.example";
  readonly #key: KeyObject;
  readonly publicKey: string;

  constructor() {
    const { privateKey, publicKey } = generateKeyPairSync("ed25519");
    this.#key = privateKey;
    this.publicKey = publicKey.export({ format: "pem", type: "spki" }) as string;
  }

  /** A token with these claims, over the usual ones; undefined leaves one out. */
  token(claims: Record<string, unknown>): string {
    const now = Math.floor(Date.now() / 1000);
    const usual = { iss: this.issuer, aud: this.audience, iat: now, exp: now + 300 };
    const encode = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const text = `${encode({ alg: "EdDSA", typ: "JWT" })}.${encode({ ...usual, ...claims })}`;
    return `${text}.${sign(undefined, Buffer.from(text), this.#key).toString("base64url")}`;
  }
}

export interface Ask {
  readonly token?: string | undefined;
  readonly body?: object;
  /** How long a wrapping token lives, as Vault's header has them: `5m`. */
  readonly wrap?: string;
  /** A loopback address to come from; 127.0.0.1 unless told. */
  readonly from?: string;
}

export interface Answer {
  readonly status: number;
  readonly json: {
    readonly data?: Record<string, unknown>;
    readonly auth?: { readonly client_token: string; readonly policies: readonly string[] };
    readonly wrap_info?: { readonly token: string };
    readonly errors?: readonly string[];
  };
}

/** One call of Vault's API. Not fetch: it cannot choose the address that it comes from. */
export async function ask(bao: OpenBao, call: string, options: Ask = {}): Promise<Answer> {
  const [method = "GET", path = ""] = call.split(" ");
  const headers = {
    ...(options.token !== undefined && { "x-vault-token": options.token }),
    ...(options.wrap !== undefined && { "x-vault-wrap-ttl": options.wrap }),
  };
  return await new Promise((resolve, reject) => {
    const sent = request(
      `${bao.url}/v1/${path}`,
      { method, headers, localAddress: options.from, agent: false, timeout: 15_000 },
      (response) => {
        const chunks: Buffer[] = [];
        response.on("data", (chunk: Buffer) => chunks.push(chunk));
        response.on("end", () => {
          const text = Buffer.concat(chunks).toString();
          const json = text === "" ? {} : (JSON.parse(text) as Answer["json"]);
          resolve({ status: response.statusCode ?? 0, json });
        });
      },
    );
    sent.once("error", reject);
    sent.once("timeout", () => sent.destroy(new Error(`${call}: no answer`)));
    sent.end(options.body && JSON.stringify(options.body));
  });
}
