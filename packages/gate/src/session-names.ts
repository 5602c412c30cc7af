import {
  createCipheriv,
  createDecipheriv,
  createSecretKey,
  hkdfSync,
  type KeyObject,
  randomBytes,
} from "node:crypto";

const nonceBytes = 12;
const tagBytes = 16;
const maxNameLength = 2048;

/** Whose session it is. */
export interface SessionOwner {
  principal: string;
  server: string;
}

/** An MCP session as the connector knows it. */
export interface Session {
  /** The upstream's own name of it; undefined before it has one, and on the wire without sessions. */
  upstream: string | undefined;
  /** What its leases are kept under. */
  lease: string;
}

export interface SessionNames {
  /** The name an agent gets for a session. */
  seal(session: Session, owner: SessionOwner): string;
  /** The session, or undefined for a name that is not this principal's on this server. */
  open(name: string, owner: SessionOwner): Session | undefined;
}

/**
 * Names of MCP sessions, bound to the principal that made them: `{connector}.{sealed upstream session}`. The binding is
 * in the name itself, so it outlives this process; a stolen or guessed name opens nothing for anybody else (session
 * hijacking, MCP security best practices). Any edge reads the connector's name in front and finds the way back.
 */
export function sessionNames(connector: string, privateKeys: () => readonly Uint8Array[]): SessionNames {
  return {
    seal: (session, owner) => {
      const nonce = randomBytes(nonceBytes);
      const [newest] = privateKeys();
      if (newest === undefined) throw new Error("a connector has a key");
      const cipher = createCipheriv("aes-256-gcm", sessionKey(newest), nonce).setAAD(binding(owner));
      const sealed = Buffer.concat([
        nonce,
        cipher.update(JSON.stringify([session.upstream, session.lease]), "utf8"),
        cipher.final(),
        cipher.getAuthTag(),
      ]);
      return `${connector}.${sealed.toString("base64url")}`;
    },
    open: (name, owner) => {
      if (name.length > maxNameLength || !name.startsWith(`${connector}.`)) return undefined;
      const sealed = Buffer.from(name.slice(connector.length + 1), "base64url");
      if (sealed.length < nonceBytes + tagBytes) return undefined;
      for (const key of privateKeys()) {
        const session = openedWith(sessionKey(key), sealed, owner);
        if (session !== undefined) return session;
      }
      return undefined;
    },
  };
}

function openedWith(key: KeyObject, sealed: Buffer, owner: SessionOwner): Session | undefined {
  try {
    const decipher = createDecipheriv("aes-256-gcm", key, sealed.subarray(0, nonceBytes), {
      authTagLength: tagBytes,
    })
      .setAAD(binding(owner))
      .setAuthTag(sealed.subarray(-tagBytes));
    const opened = Buffer.concat([decipher.update(sealed.subarray(nonceBytes, -tagBytes)), decipher.final()]);
    const [upstream, lease] = JSON.parse(opened.toString("utf8")) as [string, string];
    return { upstream, lease };
  } catch {
    return undefined;
  }
}

function binding(owner: SessionOwner): Buffer {
  return Buffer.from(JSON.stringify(["sallyport/session/v1", owner.principal, owner.server]));
}

/** From the connector's own key: a restarted connector knows its sessions' names again, and there is no second file. */
function sessionKey(privateKey: Uint8Array): KeyObject {
  const known = sessionKeys.get(privateKey);
  if (known !== undefined) return known;
  const bytes = hkdfSync("sha256", privateKey, "", "sallyport session names v1", 32);
  const key = createSecretKey(Buffer.from(bytes));
  sessionKeys.set(privateKey, key);
  return key;
}

/** Derived once for each key that is held: a name is opened at every call. */
const sessionKeys = new WeakMap<Uint8Array, KeyObject>();
