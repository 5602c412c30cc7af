import type { Attack } from "./attack.ts";
import { endings } from "./attacks/endings.ts";
import { files } from "./attacks/files.ts";
import { hostView } from "./attacks/host-view.ts";
import { kernelSurface } from "./attacks/kernel-surface.ts";
import { neighbours } from "./attacks/neighbours.ts";
import { network } from "./attacks/network.ts";
import { omission } from "./attacks/omission.ts";
import { resources } from "./attacks/resources.ts";

/** The list, by number. */
export const attacks: readonly Attack[] = [
  ...hostView,
  ...kernelSurface,
  ...neighbours,
  ...files,
  ...resources,
  ...endings,
  ...network,
  ...omission,
].toSorted((a, b) => a.number - b.number);
