import { type Bus, openBucket } from "@sallyport/bus";
import { ServiceError, type WorkItem, workItems } from "@sallyport/contracts";
import type { Decision } from "./decide/decision.ts";

const attempts = 16;

/** The items' states. Only an edge opens it. */
export interface WorkStore {
  create(item: WorkItem): Promise<void>;
  read(id: string): Promise<WorkItem | undefined>;
  /**
   * Decides on the item as it is and stores what it becomes, by compare-and-swap: whoever wrote in between makes the
   * decision anew. Undefined for an item that is not there. Throws `unavailable`.
   */
  change(id: string, decide: (item: WorkItem) => Decision): Promise<Changed | undefined>;
}

export interface Changed {
  decision: Decision;
  /** The item after the change. */
  item: WorkItem;
}

export async function openStore(bus: Bus): Promise<WorkStore> {
  const bucket = await openBucket(bus, workItems);
  return {
    create: async (item) => {
      await bucket.put(item.id, item, { expect: 0 });
    },
    read: async (id) => (await bucket.get(id))?.value,
    change: async (id, decide) => {
      for (let attempt = 0; attempt < attempts; attempt += 1) {
        const entry = await bucket.get(id);
        if (entry === undefined) return undefined;
        const decision = decide(entry.value);
        if (decision.next === undefined) return { decision, item: entry.value };
        try {
          await bucket.put(id, decision.next, { expect: entry.revision });
          return { decision, item: decision.next };
        } catch (error) {
          if (!(error instanceof ServiceError && error.code === "conflict")) throw error;
        }
      }
      throw new ServiceError("unavailable", "others keep changing this work item; try again");
    },
  };
}
