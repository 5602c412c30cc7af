import { appConfig, byteSize, duration, filePath, secretFile } from "@sallyport/runtime";
import { natsSettings } from "@sallyport/zone";
import { z } from "zod";

const loopback = /^http:\/\/(127\.0\.0\.1|\[::1\]|localhost)(:|\/|$)/;

const Backend = z
  .strictObject({
    /** OTLP/HTTP base address, without `/v1/traces`. */
    url: z.url({ protocol: /^https?$/ }),
    caFile: filePath().optional(),
    /** A header with a secret value, such as `authorization`; the file holds the whole value. */
    secretHeader: z
      .strictObject({
        name: z.string().regex(/^[A-Za-z0-9-]{1,64}$/, "a header's name"),
        value: secretFile(),
      })
      .optional(),
    timeout: duration({ min: "100ms", max: "1m" }).default(10_000),
  })
  .refine(
    ({ url, secretHeader }) => secretHeader === undefined || url.startsWith("https:") || loopback.test(url),
    {
      message: "an https address: the secret header would cross the network in clear",
      path: ["url"],
    },
  );

export const collectorConfig = appConfig({
  nats: natsSettings,
  /** Spans kept here for `sallyport trace`. */
  store: z.strictObject({
    file: filePath(),
    maxSpans: z.int().min(1000).max(10_000_000).default(200_000),
    maxAge: duration({ min: "1m", max: "90d" }).default(24 * 3_600_000),
    maxBytes: byteSize({ min: "1MiB", max: "64GiB" }).default(512 * 1024 ** 2),
  }),
  /** Backends that get everything. */
  forward: z.array(Backend).max(4).default([]),
});
