import { type Bus, request } from "@sallyport/bus";
import { readTrace, type Span } from "@sallyport/contracts";
import { type OperatorNats, openBus } from "./open-bus.ts";
import { renderWaterfall } from "./waterfall.ts";

/** The spans of one trace, from the collector. `last` is the newest that holds a call. */
export async function spansOf(bus: Bus, trace: string): Promise<Span[]> {
  return (await request(bus, readTrace, { params: {}, input: { trace }, timeoutMs: 5_000 })).spans;
}

export interface ShowTraceOptions {
  /** NATS and the operator's creds. */
  nats: OperatorNats;
  /** A trace id of 32 hex digits, or `last`. */
  trace: string;
  color: boolean;
  /** Columns of the terminal. */
  width: number;
}

/** A trace as a waterfall, several lines. Throws CommandFailure or ServiceError (`not_found` when there is none). */
export async function showTrace({ nats, trace, color, width }: ShowTraceOptions): Promise<string> {
  const bus = await openBus(nats);
  try {
    return renderWaterfall(await spansOf(bus, trace), { color, width });
  } finally {
    await bus.close();
  }
}
