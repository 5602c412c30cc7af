import { ServiceError, type Span } from "@sallyport/contracts";
import { type Attributes, attributesField, keyValue } from "./otlp-values.ts";
import { bytes, fixed64, readMessage, text, varint } from "./protobuf.ts";

/** Who sent it, as the subject says: NATS permissions pin it there. */
export interface Sender {
  zone: string;
  instance: string;
  signal: string;
}

const signals = new Set(["traces", "metrics", "logs"]);

const maxSpans = 4096;

/**
 * Checks that a payload speaks for its sender alone, whatever its signal: the requests for traces, metrics and logs
 * all hold `repeated Resource… { Resource resource = 1; … } = 1`. A zone that was taken over may lie about itself, not
 * about another zone. Throws ServiceError `invalid`.
 */
export function checkSender(payload: Uint8Array, sender: Sender): void {
  // The signal becomes a part of the backend's path.
  if (!signals.has(sender.signal)) throw new ServiceError("invalid", "telemetry of an unknown signal");
  const expected: Record<string, string> = {
    "service.name": `sallyport.${sender.zone}`,
    "service.instance.id": sender.instance,
  };
  let resources = 0;
  parsing(() =>
    readMessage(payload, {
      1: bytes((group) => {
        resources += 1;
        const named = new Set<string>();
        const attribute = bytes((message) => {
          const [key, value] = keyValue(message);
          if (!Object.hasOwn(expected, key)) return;
          // Each one, not the first or last: readers differ in which of two they take.
          if (value !== expected[key])
            throw new ServiceError("invalid", "telemetry speaks for another than its sender");
          named.add(key);
        });
        readMessage(group, { 1: bytes((resource) => readMessage(resource, { 1: attribute })) });
        if (named.size < 2) throw new ServiceError("invalid", "telemetry does not say who sent it");
      }),
    }),
  );
  if (resources === 0) throw new ServiceError("invalid", "telemetry is empty");
}

/** The spans of an ExportTraceServiceRequest (opentelemetry-proto, trace/v1/trace.proto), bounded in number and size. */
export function readSpans(payload: Uint8Array, sender: Omit<Sender, "signal">): Span[] {
  const spans: Span[] = [];
  const span = bytes((message) => {
    if (spans.length >= maxSpans)
      throw new ServiceError("invalid", `telemetry holds more than ${maxSpans} spans`);
    const found = readSpan(message, sender);
    if (found !== undefined) spans.push(found);
  });
  const scope = bytes((scopeSpans) => readMessage(scopeSpans, { 2: span }));
  parsing(() =>
    readMessage(payload, { 1: bytes((resourceSpans) => readMessage(resourceSpans, { 2: scope })) }),
  );
  return spans;
}

const kinds = ["internal", "internal", "server", "client", "producer", "consumer"] as const;
const statusError = 2n;

/** Undefined for a span without a valid id or with an end before its start. */
function readSpan(message: Uint8Array, sender: Omit<Sender, "signal">): Span | undefined {
  const ids = { trace: "", span: "", parent: "" };
  const times = { start: 0n, end: 0n };
  const attributes: Attributes = {};
  let name = "";
  let kind: Span["kind"] = "internal";
  let error: string | undefined;
  readMessage(message, {
    1: bytes((id) => {
      ids.trace = hex(id, 16);
    }),
    2: bytes((id) => {
      ids.span = hex(id, 8);
    }),
    4: bytes((id) => {
      ids.parent = hex(id, 8);
    }),
    5: text(256, (found) => {
      name = found;
    }),
    6: varint((number) => {
      kind = kinds[Number(number)] ?? "internal";
    }),
    7: fixed64((time) => {
      times.start = BigInt.asUintN(64, time);
    }),
    8: fixed64((time) => {
      times.end = BigInt.asUintN(64, time);
    }),
    9: attributesField(attributes),
    15: bytes((status) => {
      error = readError(status);
    }),
  });
  const { start, end } = times;
  if (ids.trace === "" || ids.span === "" || end < start || end > maxTime) return undefined;
  return {
    traceId: ids.trace,
    spanId: ids.span,
    ...(ids.parent === "" ? {} : { parentId: ids.parent }),
    zone: sender.zone,
    instance: sender.instance,
    name,
    kind,
    start: String(start),
    end: String(end),
    ...(error === undefined ? {} : { error }),
    attributes,
  };
}

/** SQLite's integers are signed. */
const maxTime = 2n ** 63n - 1n;

/** The message of a status that says error; `error` where it has none. */
function readError(status: Uint8Array): string | undefined {
  let message = "";
  let code = 0n;
  readMessage(status, {
    2: text(512, (found) => {
      message = found;
    }),
    3: varint((found) => {
      code = found;
    }),
  });
  return code === statusError ? message || "error" : undefined;
}

/** Hex of an id of the right length that is not all zero; otherwise empty. */
function hex(id: Uint8Array, length: number): string {
  if (id.length !== length || id.every((byte) => byte === 0)) return "";
  return id.toHex();
}

function parsing(read: () => void): void {
  try {
    read();
  } catch (error) {
    if (error instanceof ServiceError) throw error;
    throw new ServiceError("invalid", "telemetry is not OTLP protobuf", { cause: error });
  }
}
