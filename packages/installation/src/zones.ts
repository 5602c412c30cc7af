import type { Zone } from "@sallyport/contracts";

/** Which keys a zone makes for itself, and what of the others it is told. */
export interface ZoneNeeds {
  /** Sessions and credentials are sealed to it. */
  readonly seal: boolean;
  /** Grants are signed with it. */
  readonly grant: boolean;
  /** Whose grants count. */
  readonly edges: boolean;
  /** Which connectors and runners count. */
  readonly enrolments: boolean;
  /** Who vouches for agents. */
  readonly tokens: boolean;
}

const none: ZoneNeeds = { seal: false, grant: false, edges: false, enrolments: false, tokens: false };

export const zoneNeeds: Readonly<Record<Zone, ZoneNeeds>> = {
  edge: { ...none, grant: true, enrolments: true, tokens: true },
  connector: { ...none, seal: true, edges: true, tokens: true },
  runner: { ...none, seal: true, edges: true, tokens: true },
  broker: { ...none, edges: true, enrolments: true },
  collector: none,
  operator: { ...none, tokens: true },
};
