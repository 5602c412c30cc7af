import type { CredentialMaterial } from "@sallyport/contracts";
import type { z } from "zod";

/** A credential in clear. It exists only between Vault's answer and the sealed box. */
export interface FreshCredential {
  material: z.output<typeof CredentialMaterial>;
  /** How long the value may be used before it is asked for again. */
  ttlSeconds: number;
  /** What Vault made for this lease alone and can end. A static value has none: it cannot be revoked here. */
  vaultLease?: string;
}

/** Where one credential comes from. A new engine is one more of these. */
export interface CredentialSource {
  lease(signal: AbortSignal): Promise<FreshCredential>;
}

/** What can be done with a credential that Vault made, whichever engine made it. Both may be asked twice. */
export interface VaultLeases {
  /** `gone`: Vault does not know it any more, so the credential has ended. */
  renew(vaultLease: string, seconds: number): Promise<"renewed" | "gone">;
  revoke(vaultLease: string): Promise<void>;
}
