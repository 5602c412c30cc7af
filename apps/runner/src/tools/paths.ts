import { z } from "zod";

/** A path as a model gives it: relative ones begin in the sandbox's first folder. At most 4096 characters. */
export const pathInput = z
  .string()
  .min(1)
  .max(4096)
  .refine((path) => !path.includes("\0"), "a path holds no NUL");

/** Said with every tool that works on the sandbox. */
export const aboutSandbox =
  "Everything happens in a private sandbox: its files and processes last until the sandbox ends, and nothing outside can be reached.";
