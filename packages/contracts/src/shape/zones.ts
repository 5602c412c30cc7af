/** The security zones. Each is one deployment, one NATS user per instance, one set of subject permissions. */
export const zones = ["edge", "connector", "runner", "broker", "collector", "operator"] as const;
export type Zone = (typeof zones)[number];

/** One running member of a zone, as its NATS user names it. */
export interface ZoneInstance {
  zone: Zone;
  instance: string;
}
