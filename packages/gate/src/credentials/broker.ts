import { type Bus, request } from "@sallyport/bus";
import {
  CredentialMaterial,
  claimForSandboxes,
  claimSessions,
  leaseBinding,
  leaseCredential,
  leaseForSandbox,
  type RequestContract,
  releaseForSandbox,
  releaseLeases,
  ServiceError,
} from "@sallyport/contracts";
import { compileScrub } from "@sallyport/scrub";
import { openBox } from "@sallyport/seal";
import type { z } from "zod";
import type { LeaseSource } from "./leases.ts";

type Input<C extends RequestContract> = z.input<C["input"]>;
type Output<C extends RequestContract> = Promise<z.output<C["output"]>>;

/** The three questions to the broker, on the subjects of the asker's own zone. */
interface BrokerRoad {
  lease(input: Input<typeof leaseCredential>): Output<typeof leaseCredential>;
  release(input: Input<typeof releaseLeases>): Output<typeof releaseLeases>;
  claim(input: Input<typeof claimSessions>): Output<typeof claimSessions>;
}

function roadOf(bus: Bus, timeoutMs: number): BrokerRoad {
  const { zone, instance } = bus.who;
  if (zone === "runner") {
    const params = { runner: instance };
    return {
      lease: (input) => request(bus, leaseForSandbox, { params, input, timeoutMs }),
      release: (input) => request(bus, releaseForSandbox, { params, input, timeoutMs }),
      claim: (input) => request(bus, claimForSandboxes, { params, input, timeoutMs }),
    };
  }
  const params = { connector: instance };
  return {
    lease: (input) => request(bus, leaseCredential, { params, input, timeoutMs }),
    release: (input) => request(bus, releaseLeases, { params, input, timeoutMs }),
    claim: (input) => request(bus, claimSessions, { params, input, timeoutMs }),
  };
}

/** The broker, over NATS. What it sends back opens only here, for this lease and nothing else. */
export function brokerClient(deps: {
  bus: Bus;
  connector: string;
  boot: string;
  /** Newest first. */
  privateKeys(): readonly Uint8Array[];
  timeoutMs: number;
}): LeaseSource {
  const { connector, boot } = deps;
  const road = roadOf(deps.bus, deps.timeoutMs);
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
      const { leaseId, sealed, expiresAt } = await road.lease(input);
      const info = leaseBinding({
        leaseId,
        connector,
        sealSession,
        session,
        server: grant.facts.server,
        credential,
      });
      const material = await open(deps.privateKeys(), { sealed, info });
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
      await road.release({ session });
    },
    claim: async (sessions) => {
      const { livenessSeconds } = await road.claim({ boot, sessions: [...sessions] });
      return livenessSeconds * 1000;
    },
  };
}

async function open(privateKeys: readonly Uint8Array[], box: { sealed: string; info: string }) {
  try {
    const plain = await openBox(privateKeys, Buffer.from(box.sealed, "base64url"), box.info);
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
