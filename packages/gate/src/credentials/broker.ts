import { type Bus, request } from "@sallyport/bus";
import {
  CredentialMaterial,
  claimSessions,
  leaseBinding,
  leaseCredential,
  releaseLeases,
  ServiceError,
} from "@sallyport/contracts";
import { compileScrub } from "@sallyport/scrub";
import { openBox } from "@sallyport/seal";
import type { LeaseSource } from "./leases.ts";

/** The broker, over NATS. What it sends back opens only here, for this lease and nothing else. */
export function brokerClient(deps: {
  bus: Bus;
  connector: string;
  boot: string;
  privateKey: Uint8Array;
  timeoutMs: number;
}): LeaseSource {
  const { bus, connector, boot, timeoutMs } = deps;
  const params = { connector };
  return {
    lease: async ({ grant, credential, session, traceparent }) => {
      const sealSession = grant.facts.session;
      const input = {
        grant: grant.jwt,
        credential,
        sealSession,
        session,
        ...(traceparent === undefined ? {} : { traceparent }),
      };
      const { leaseId, sealed, expiresAt } = await request(bus, leaseCredential, {
        params,
        input,
        timeoutMs,
      });
      const info = leaseBinding({
        leaseId,
        connector,
        sealSession,
        session,
        server: grant.facts.server,
        credential,
      });
      const material = await open(deps.privateKey, { sealed, info });
      return {
        id: leaseId,
        credential,
        session,
        material,
        scrubber: scrubberFor(credential, material),
        expiresAt: Date.parse(expiresAt),
      };
    },
    release: async (session) => {
      await request(bus, releaseLeases, { params, input: { session }, timeoutMs });
    },
    claim: async (sessions) => {
      const { livenessSeconds } = await request(bus, claimSessions, {
        params,
        input: { boot, sessions: [...sessions] },
        timeoutMs,
      });
      return livenessSeconds * 1000;
    },
  };
}

async function open(privateKey: Uint8Array, box: { sealed: string; info: string }) {
  try {
    const plain = await openBox(privateKey, Buffer.from(box.sealed, "base64url"), box.info);
    const { value, username } = CredentialMaterial.parse(JSON.parse(Buffer.from(plain).toString("utf8")));
    return { value: Buffer.from(value), ...(username === undefined ? {} : { username }) };
  } catch (error) {
    // Never the cause itself: a parser's error may quote what it read.
    const detail = error instanceof Error ? error.name : typeof error;
    throw new ServiceError("unavailable", "the broker's answer does not open for this lease", { detail });
  }
}

function scrubberFor(credential: string, material: { value: Uint8Array; username?: string }) {
  try {
    return compileScrub([{ name: credential, ...material }]);
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error);
    throw new ServiceError(
      "unavailable",
      `credential ${credential} cannot be scrubbed from replies, so it is not used`,
      { detail },
    );
  }
}
