import { generateKeyPairSync } from "node:crypto";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { ZoneInstance } from "@sallyport/contracts";
import { createTrust, issueUser, type Trust } from "@sallyport/infra-nats";
import { generateRecipientKey, privateKeyText } from "@sallyport/seal";

/** Keys and creds of a stack, as files that only this user can read. Secrets reach processes as paths, never otherwise. */
export class Material {
  readonly folder: string;
  readonly trust: Trust;

  private constructor(folder: string, trust: Trust) {
    this.folder = folder;
    this.trust = trust;
  }

  static async create(folder: string): Promise<Material> {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    return new Material(folder, await createTrust({ name: "sallyport-local" }));
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  write(name: string, content: string | Uint8Array): string {
    const path = this.path(name);
    mkdirSync(join(path, ".."), { recursive: true, mode: 0o700 });
    writeFileSync(path, content, { mode: 0o600 });
    return path;
  }

  /** A NATS user of one zone instance. Returns its creds file. */
  async user(who: ZoneInstance): Promise<string> {
    return this.write(`nats/${who.zone}-${who.instance}.creds`, await issueUser(this.trust, who));
  }

  async provisionerCreds(): Promise<Uint8Array> {
    return issueUser(this.trust, "provisioner");
  }

  /** The signing key of an edge: `{edge}.key.pem` and `{edge}.pub.pem`. */
  edgeKey(edge: string): { privateFile: string; publicFile: string } {
    const { privateKey, publicKey } = generateKeyPairSync("ed25519");
    return {
      privateFile: this.write(`edges/${edge}.key.pem`, privateKey.export({ format: "pem", type: "pkcs8" })),
      publicFile: this.write(`edges/${edge}.pub.pem`, publicKey.export({ format: "pem", type: "spki" })),
    };
  }

  /** A connector's key, and its enrolment where edges and brokers look for it. */
  async connectorKey(connector: string, servers: readonly string[]): Promise<{ privateFile: string }> {
    const { publicKey, privateKey } = await generateRecipientKey();
    this.write(`enrolments/${connector}.json`, JSON.stringify({ connector, publicKey, servers }, null, 2));
    return { privateFile: this.write(`connectors/${connector}.key`, privateKeyText(privateKey)) };
  }

  /** A runner's key, and its enrolment for the pools that it serves. */
  async runnerKey(runner: string, pools: readonly string[]): Promise<{ privateFile: string }> {
    const { publicKey, privateKey } = await generateRecipientKey();
    const enrolment = { zone: "runner", connector: runner, publicKey, servers: pools };
    this.write(`enrolments/${runner}.json`, JSON.stringify(enrolment, null, 2));
    return { privateFile: this.write(`runners/${runner}.key`, privateKeyText(privateKey)) };
  }
}
