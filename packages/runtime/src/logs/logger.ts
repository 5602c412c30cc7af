import { trace } from "@opentelemetry/api";
import {
  type Bindings,
  type ChildLoggerOptions,
  type DestinationStream,
  destination,
  type Logger,
  pino,
} from "pino";
import { clean, cleanEntries, withoutTokens } from "./clean.ts";

export type Log = Logger;
type Child = (this: Log, bindings: Bindings, more?: ChildLoggerOptions) => Log;

/**
 * One JSON object a line, to stderr: line breaks in a value cannot forge a record. Each line names zone and instance,
 * and the trace and span that were active.
 */
export function createLog(options: {
  zone: string;
  instance?: string;
  level: string;
  to?: DestinationStream;
}): Log {
  const log = pino(
    {
      level: options.level,
      base: { zone: options.zone, instance: options.instance },
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      mixin: activeSpan,
      formatters: { level: (label) => ({ level: label }), log: cleanEntries, bindings: cleanEntries },
      serializers: { err: clean },
      hooks: { streamWrite: withoutTokens },
    },
    // Synchronous: the last line before an exit is the one that matters.
    options.to ?? destination({ dest: 2, sync: true }),
  );
  // pino does not pass a child's bindings through a formatter of its parent. Children inherit this method.
  const child: Child = log.child;
  const cleanChild: Child = function (bindings, more) {
    return child.call(this, cleanEntries(bindings), more);
  };
  Object.assign(log, { child: cleanChild });
  return log;
}

function activeSpan(): object {
  const span = trace.getActiveSpan()?.spanContext();
  return span === undefined ? {} : { trace_id: span.traceId, span_id: span.spanId };
}
