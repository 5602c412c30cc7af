import { type Bus, openBucket, readLog, request } from "@sallyport/bus";
import { auditLog, readTrace, revocations, ServiceError } from "@sallyport/contracts";
import { type Check, checkThat, ok, warning } from "./check.ts";

const fewestDays = 30;
const provision =
  "make the streams: `pnpm infra:nats provision`, with provisioner.creds; then see nats-server's log";

/** Its certificate, and what lives on NATS: the audit log, the revocations, and a collector that answers. */
export async function checkRelay(bus: Bus, signal: AbortSignal): Promise<Check[]> {
  const certificate = checkCertificate(bus.relay().certificateUntil, new Date());
  const checks = [checkAudit(bus, signal), checkRevocations(bus), checkCollector(bus)];
  return [...certificate, ...(await Promise.all(checks)).flat()];
}

/** Pure. Zones notice an expired one together, at their next connection. */
export function checkCertificate(until: Date | undefined, now: Date): Check[] {
  if (until === undefined) return [];
  const days = Math.floor((+until - +now) / 86_400_000);
  const what = `the relay's counts until ${until.toISOString().slice(0, 10)}, ${days} days from now`;
  if (days >= fewestDays) return [ok("certificate", what)];
  const fix =
    "renew it: `sallyport relay certificate` where `init --make-ca` made it, else where it came from";
  return [warning("certificate", what, fix)];
}

function checkAudit(bus: Bus, signal: AbortSignal): Promise<Check[]> {
  return checkThat(
    "audit log",
    async () => {
      // A reader from now on gets nothing, but only when there is a stream and leave to read it.
      const options = { since: new Date(), follow: false, signal };
      for await (const _ of readLog(bus, auditLog, options)) break;
      return [ok("audit log", `stream ${auditLog.stream} is there and can be read`)];
    },
    provision,
  );
}

function checkRevocations(bus: Bus): Promise<Check[]> {
  return checkThat(
    "revocations",
    async () => {
      const bucket = await openBucket(bus, revocations);
      await bucket.get("doctor");
      return [ok("revocations", "the kill switch can be used")];
    },
    provision,
  );
}

function checkCollector(bus: Bus): Promise<Check[]> {
  return checkThat(
    "collector",
    async () => [ok("collector", await tracesText(bus))],
    "start apps/collector; it serves traces over NATS",
  );
}

async function tracesText(bus: Bus): Promise<string> {
  try {
    const { spans } = await request(bus, readTrace, {
      params: {},
      input: { trace: "last" },
      timeoutMs: 3_000,
    });
    return `answers; the newest trace has ${spans.length} spans`;
  } catch (error) {
    if (error instanceof ServiceError && error.code === "not_found") return "answers; no call was traced yet";
    throw error;
  }
}
