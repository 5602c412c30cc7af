import { execFile } from "node:child_process";
import { join } from "node:path";
import { z } from "zod";
import { type Check, failed, failedBy, ok } from "./check.ts";
import { compareZones } from "./compare-zones.ts";
import { readZoneFile, type ZoneFacts, zoneFacts, zoneOf } from "./zone-config.ts";

const apps = join(import.meta.dirname, "../../..");
const checkMs = 60_000;

/** Each file as its own zone judges it, then all of them together. */
export async function checkZoneConfigs(files: readonly string[], signal: AbortSignal): Promise<Check[]> {
  const looked = await Promise.all(files.map((file) => lookAt(file, signal)));
  const facts = looked.flatMap((one) => one.facts ?? []);
  return [...looked.map(({ check }) => check), ...compareZones(facts)];
}

async function lookAt(file: string, signal: AbortSignal): Promise<{ check: Check; facts?: ZoneFacts }> {
  const name = `settings ${file}`;
  try {
    const settings = readZoneFile(file);
    const zone = zoneOf(settings);
    if (zone === undefined) {
      const fix = "name a file of an edge, connector, runner, broker or collector";
      return { check: failed(name, "which zone's settings are these?", fix) };
    }
    const problem = await zoneCheck(zone, file, signal);
    if (problem !== undefined) return { check: failed(name, problem, `correct ${file}`) };
    return { check: ok(name, `valid for ${zone}`), facts: zoneFacts(file, zone, settings) };
  } catch (error) {
    if (error instanceof z.ZodError) {
      const issue = error.issues[0];
      return { check: failed(name, `${issue?.path.join(".")}: ${issue?.message}`, `correct ${file}`) };
    }
    return { check: failedBy(name, error, `correct ${file}`) };
  }
}

/** What the zone's own program says of the file, or undefined. It gets no environment: the file alone is judged. */
function zoneCheck(zone: string, file: string, signal: AbortSignal): Promise<string | undefined> {
  const args = ["--disable-warning=ExperimentalWarning", join(apps, zone, "main.ts"), "--config", file];
  const limits = { env: {}, timeout: checkMs, maxBuffer: 256 * 1024, signal };
  return new Promise((resolve) => {
    execFile(process.execPath, [...args, "--check"], limits, (error, _out, err) => {
      if (error === null) resolve(undefined);
      else if (error.killed)
        resolve(`apps/${zone} did not say within ${checkMs / 1000} s whether it is valid`);
      else resolve(err.trim() || error.message);
    });
  });
}
