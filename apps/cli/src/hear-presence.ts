import { setTimeout as later } from "node:timers/promises";
import { type Bus, subscribe } from "@sallyport/bus";
import { presence } from "@sallyport/contracts";
import type { z } from "zod";

type Presence = z.output<NonNullable<typeof presence.body>>;

/** A living instance of a zone, as it says of itself once a second. */
export interface Heard extends Presence {
  zone: string;
  instance: string;
  /** Unix milliseconds. */
  heardAt: number;
}

/** More instances than this are no installation; whoever can publish must not fill the operator's memory. */
const maxInstances = 4096;

/** Who is alive: listens until it is closed. */
export function listenForPresence(bus: Bus): { heard(): Heard[]; close(): Promise<void> } {
  const known = new Map<string, Heard>();
  const subscription = subscribe(bus, presence, {
    news: (body, { zone, instance }) => {
      const key = `${zone} ${instance}`;
      if (known.size >= maxInstances && !known.has(key)) return;
      known.set(key, { ...body, zone, instance, heardAt: Date.now() });
    },
  });
  return {
    heard: () =>
      [...known.values()].sort(
        (a, b) => a.zone.localeCompare(b.zone) || a.instance.localeCompare(b.instance),
      ),
    close: () => subscription.close(),
  };
}

/** Everybody who speaks within this time. Each speaks once a second. */
export async function hearPresence(
  bus: Bus,
  { forMs, signal }: { forMs: number; signal: AbortSignal },
): Promise<Heard[]> {
  const listening = listenForPresence(bus);
  try {
    await later(forMs, undefined, { signal });
    return listening.heard();
  } finally {
    await listening.close();
  }
}
