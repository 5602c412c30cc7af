import { existsSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { mayMakeUserNamespaces } from "./user-namespaces.ts";

const most = "/proc/sys/user/max_user_namespaces";
const kernelForbids = !existsSync(most) || readFileSync(most, "utf8").trim() === "0";

test.skipIf(kernelForbids || process.geteuid?.() !== 0)(
  "root may make user namespaces where the kernel has them",
  () => {
    expect(mayMakeUserNamespaces()).toBe(true);
  },
);

test.runIf(kernelForbids)("nobody may where it has none", () => {
  expect(mayMakeUserNamespaces()).toBe(false);
});
