import { bucket } from "../shape/contract.ts";
import { WorkItem } from "./work-item.ts";

/**
 * The state of every work item, by its id; each change is a compare-and-swap. Runners have no right here: they ask an
 * edge (`changeWork`), which knows from the subject who asks, so that no runner can touch what another holds. What has
 * not changed for an hour goes.
 */
export const workItems = bucket({
  name: "work",
  value: WorkItem,
  writtenBy: ["edge"],
  readBy: ["edge"],
  ttlSeconds: 3600,
  watched: false,
});
