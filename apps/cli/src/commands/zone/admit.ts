import { readFileSync } from "node:fs";
import { ServerName, type Zone } from "@sallyport/contracts";
import {
  InstanceRecord,
  ownSettings,
  requestFingerprint,
  secretsIn,
  ZoneRequest,
} from "@sallyport/installation";
import { parse } from "yaml";
import { z } from "zod";
import { CommandFailure } from "../../command-failure.ts";
import { type Installation, recordOf } from "../../installation/installation.ts";
import type { BundleOptions } from "./bundle.ts";
import { readJsonFile } from "./read-json-file.ts";

/** What the arguments make of the installation's record, and the fingerprint of new keys. */
export function recordFrom(
  installation: Installation,
  who: { zone: Zone; instance: string },
  options: BundleOptions,
): { record: InstanceRecord; fingerprint: string | undefined } {
  const servers = offeredBy(who.zone, options);
  const settings = options.settings === undefined ? undefined : settingsIn(options.settings);
  const change = { ...(servers ? { servers } : {}), ...(settings ? { settings } : {}) };
  if (options.request === undefined) {
    const record = recordOf(installation, { ...who, tenant: options.tenant });
    refuseRevoked(record);
    return { record: { ...record, ...change }, fingerprint: undefined };
  }
  const request = requestIn(options.request, who);
  const tenant = tenantFor(installation, options.tenant);
  const namesakes = installation.records.filter(
    (one) => one.tenant === tenant && one.instance === who.instance,
  );
  const there = namesakes.find((one) => one.zone === who.zone);
  if (there !== undefined) {
    refuseRevoked(there);
    if (there.keys.nats !== request.keys.nats) {
      const what = `${who.zone} ${who.instance} is known with other keys`;
      const fix = `if they were renewed: sallyport zone rotate ${who.zone} --site ${who.instance} --request …`;
      throw new CommandFailure("refused", what, { setting: "--request", fix });
    }
  }
  refuseNamesake(who, namesakes);
  const record = InstanceRecord.parse({
    ...{ ...who, tenant, servers: [], issuedAt: new Date().toISOString() },
    ...there,
    ...{ keys: request.keys, ...change },
  });
  if (servers === undefined && there === undefined && offers(who.zone) !== undefined) {
    throw new CommandFailure("usage", `say which ${offers(who.zone)} it may answer for`, {
      setting: `--${offers(who.zone)}`,
    });
  }
  return { record, fingerprint: requestFingerprint(request) };
}

const offers = (zone: Zone) => ({ connector: "servers", runner: "pools" })[zone as string];

/** Enrolments are kept by name: a connector and a runner cannot have the same. */
function refuseNamesake(who: { zone: Zone; instance: string }, namesakes: readonly InstanceRecord[]): void {
  const other = namesakes.find((one) => one.zone !== who.zone && offers(one.zone) !== undefined);
  if (other === undefined || offers(who.zone) === undefined) return;
  const what = `${who.instance} is the name of a ${other.zone} already`;
  throw new CommandFailure("refused", what, { setting: "--site", fix: "choose another name" });
}

export function refuseRevoked({ zone, instance, revokedAt }: InstanceRecord): void {
  if (revokedAt === undefined) return;
  const fix = "a key that was cut off is not taken back: make a request with a new name";
  throw new CommandFailure("refused", `${zone} ${instance} was revoked at ${revokedAt}`, {
    setting: "--site",
    fix,
  });
}

/** A request for this very site. */
export function requestIn(file: string, who: { zone: Zone; instance: string }): ZoneRequest {
  const maxBytes = 64 * 1024;
  const request = readJsonFile(file, { schema: ZoneRequest, what: "a zone's request", maxBytes });
  if (request.zone === who.zone && request.instance === who.instance) return request;
  const what = `${file} is of ${request.zone} ${request.instance}, not of ${who.zone} ${who.instance}`;
  throw new CommandFailure("refused", what, { setting: "--request", fix: "name the request of this site" });
}

function tenantFor({ facts }: Installation, named: string | undefined): string {
  const [only, ...others] = facts.tenants;
  if (named !== undefined && facts.tenants.includes(named)) return named;
  if (named === undefined && only !== undefined && others.length === 0) return only;
  const what = named === undefined ? "say whose it is" : `there is no tenant ${named}`;
  const fix = `use one of ${facts.tenants.join(", ")}`;
  throw new CommandFailure("usage", what, { setting: "--tenant", fix });
}

function offeredBy(zone: Zone, options: BundleOptions): string[] | undefined {
  const option = offers(zone);
  for (const one of ["servers", "pools"] as const) {
    if (options[one] === undefined || one === option) continue;
    throw new CommandFailure("usage", `a ${zone} has no ${one}`, { setting: `--${one}` });
  }
  const text = option === undefined ? undefined : options[option as "servers" | "pools"];
  if (text === undefined) return undefined;
  const names = [...new Set(text.split(",").map((name) => name.trim()))].filter(Boolean);
  const parsed = z.array(ServerName).min(1).max(256).safeParse(names);
  if (parsed.success) return parsed.data;
  throw new CommandFailure("usage", parsed.error.issues[0]?.message ?? "no names", {
    setting: `--${option}`,
  });
}

function settingsIn(file: string): Record<string, z.core.util.JSONType> {
  let value: unknown;
  try {
    value = parse(readFileSync(file, "utf8"), { maxAliasCount: 50 });
  } catch (cause) {
    const why = (cause as NodeJS.ErrnoException).code ?? (cause as Error).message;
    throw new CommandFailure("usage", `${file} cannot be read: ${why}`, { setting: "--settings", cause });
  }
  const parsed = z.record(z.string(), z.json()).safeParse(value ?? {});
  if (!parsed.success)
    throw new CommandFailure("usage", `${file} is no list of settings`, { setting: "--settings" });
  const secrets = secretsIn(JSON.stringify(parsed.data));
  if (secrets.length > 0) {
    const what = `a bundle holds no secret, and ${file} has ${secrets.join(" and ")}`;
    const fix = "put it into a file of the zone's, and name that file";
    throw new CommandFailure("usage", what, { setting: "--settings", fix });
  }
  const own = ownSettings.filter((key) => key in parsed.data);
  if (own.length === 0) return parsed.data;
  throw new CommandFailure("usage", `the bundle sets ${own.join(", ")} by itself`, {
    setting: "--settings",
    fix: `leave them out of ${file}`,
  });
}
