import { createPrivateKey, type KeyObject } from "node:crypto";
import { type App, BootError, type SecretFile } from "@sallyport/runtime";
import { followFiles } from "@sallyport/zone";

/** The key that this edge signs grants and hellos with, as its file is now. */
export interface SigningKey {
  readonly current: KeyObject;
  /** Called when another one has taken its place. */
  onChange(listener: () => void): void;
}

/** Reads the key, and follows its file. What is no Ed25519 key stops the boot; later it changes nothing. */
export async function openSigningKey(app: App, file: SecretFile): Promise<SigningKey> {
  const listeners: (() => void)[] = [];
  let current = await readKey(file);
  followFiles(app, {
    name: "signing key",
    paths: [file.path],
    read: async () => {
      const now = await readKey(file);
      if (now.equals(current)) return [];
      current = now;
      app.log.info({}, "another signing key: tunnels are opened anew with it");
      for (const listener of listeners) listener();
      return [];
    },
  });
  return {
    get current() {
      return current;
    },
    onChange: (listener) => {
      listeners.push(listener);
    },
  };
}

async function readKey(file: SecretFile): Promise<KeyObject> {
  const key = createPrivateKey(Buffer.from((await file.read()).reveal()));
  if (key.asymmetricKeyType === "ed25519") return key;
  throw new BootError(`${file.path} holds a key of type ${key.asymmetricKeyType}`, {
    setting: "signingKey",
    fix: "make an Ed25519 key",
  });
}
