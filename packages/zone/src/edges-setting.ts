import { InstanceName } from "@sallyport/contracts";
import { filePath } from "@sallyport/runtime";
import { z } from "zod";

/** Whose grants count: a folder of `{edge}.pem`, which is followed as it changes, or edge → file. Ed25519 public keys. */
export const edgesSetting = z.union([
  filePath(),
  z.record(InstanceName, filePath()).refine((edges) => Object.keys(edges).length > 0, {
    message: "without an edge nobody can call",
  }),
]);
