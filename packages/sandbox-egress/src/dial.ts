import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls, type SecureContext } from "node:tls";
import { EgressError, judgeAddress, resolveAllowed, type UpstreamTarget } from "@sallyport/egress";
import { type Authority, authorityText } from "./authority.ts";
import { type Denial, DenialError } from "./denial.ts";
import type { EgressDeps } from "./session.ts";

/**
 * A connection to the address that was judged: one look-up, no second one that could answer otherwise. With `tls` the
 * server must prove the name that was asked for, and speak HTTP/1.1.
 *
 * @throws DenialError `address`, `unavailable`, `timeout`
 */
export async function dial(authority: Authority, deps: EgressDeps, tls?: SecureContext): Promise<Socket> {
  const place = authorityText(authority);
  const deadline = AbortSignal.timeout(deps.limits.connectTimeoutMs);
  try {
    const address = await within(deadline, addressOf(authority, deps));
    const options = { host: address, port: authority.port, autoSelectFamily: false, allowHalfOpen: true };
    const plain = await connected(connectTcp(options), "connect", deadline);
    if (tls === undefined) return plain;
    const { host, literal } = authority;
    const named = { host, ...(literal ? {} : { servername: host }) };
    const options12 = { ALPNProtocols: ["http/1.1"], minVersion: "TLSv1.2" as const, secureContext: tls };
    return await connected(connectTls({ socket: plain, ...named, ...options12 }), "secureConnect", deadline);
  } catch (cause) {
    throw new DenialError(asDenial(cause, place, deadline.aborted), { cause });
  }
}

/**
 * Looked up once, and judged.
 *
 * @throws EgressError
 */
export async function addressOf(
  authority: Authority,
  deps: Pick<EgressDeps, "addresses" | "resolver">,
): Promise<string> {
  return (await resolveAllowed(targetOf(authority, deps), deps.resolver, "public")).address;
}

/** An agent wrote the address, so its writing it proves nothing: private ones are dialled only where we name them. */
function targetOf(authority: Authority, { addresses }: Pick<EgressDeps, "addresses">): UpstreamTarget {
  const url = new URL(`http://${authorityText(authority)}`);
  const literal = addresses.get(authorityText(authority));
  if (literal !== undefined || !authority.literal) return { url, literal };
  const verdict = judgeAddress(authority.host, "public");
  if (!verdict.ok) throw new EgressError("address-refused", verdict.reason);
  return { url, literal: authority.host };
}

function connected<Kind extends Socket>(socket: Kind, event: string, deadline: AbortSignal): Promise<Kind> {
  return new Promise((resolve, reject) => {
    const late = () => socket.destroy(new Error("too late"));
    deadline.addEventListener("abort", late);
    socket.once("error", reject);
    socket.once(event, () => {
      deadline.removeEventListener("abort", late);
      socket.off("error", reject);
      socket.on("error", () => {}); // whoever uses it hears `close`
      resolve(socket);
    });
  });
}

function within<Value>(deadline: AbortSignal, work: Promise<Value>): Promise<Value> {
  return new Promise((resolve, reject) => {
    deadline.addEventListener("abort", () => reject(new Error("too late")));
    work.then(resolve, reject);
  });
}

/** The reason names what the agent asked for, never an address that it did not know. */
function asDenial(error: unknown, place: string, late: boolean): Denial {
  if (late) return { code: "timeout", reason: `${place} did not answer in time` };
  const code = error instanceof EgressError ? error.code : "";
  if (code === "address-refused") {
    const reason = `${place} is at an address that sandboxes may not reach (private, local or metadata)`;
    return { code: "address", reason };
  }
  if (code === "dns") return { code: "unavailable", reason: `${place} does not resolve` };
  const detail = error instanceof Error && "code" in error ? ` (${String(error.code)})` : "";
  return { code: "unavailable", reason: `${place} could not be reached${detail}` };
}
