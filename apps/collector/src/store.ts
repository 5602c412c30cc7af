import { chmodSync, closeSync, openSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { ServiceError, type Span } from "@sallyport/contracts";

export interface StoreOptions {
  file: string;
  /** Spans kept; the oldest go first. */
  maxSpans: number;
  /** Milliseconds after which a span is forgotten. */
  maxAgeMs: number;
  /** Bytes of the database file. When it is full, the oldest tenth goes. */
  maxBytes: number;
  now?: () => number;
}

/** As many spans as one answer may hold. */
const maxAnswer = 2000;
const pruneEveryMs = 30_000;

const schema = `
  CREATE TABLE IF NOT EXISTS spans (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    received INTEGER NOT NULL,
    trace TEXT NOT NULL, span TEXT NOT NULL, parent TEXT,
    zone TEXT NOT NULL, instance TEXT NOT NULL,
    name TEXT NOT NULL, kind TEXT NOT NULL,
    start INTEGER NOT NULL, "end" INTEGER NOT NULL,
    error TEXT, attributes TEXT NOT NULL,
    call INTEGER NOT NULL
  ) STRICT;
  -- Zone and instance belong to the key: a zone that was taken over cannot take the place of another's span.
  CREATE UNIQUE INDEX IF NOT EXISTS one_span ON spans (trace, span, zone, instance);
  CREATE INDEX IF NOT EXISTS calls ON spans (seq) WHERE call = 1;
`;

const forgetOldest =
  "DELETE FROM spans WHERE seq <= (SELECT min(seq) + (max(seq) - min(seq)) / 10 FROM spans)";

/**
 * Spans of the last hours in one SQLite file, for `sallyport trace`: bounded by number, age and bytes. It is a
 * convenience, not the record: whoever needs traces for longer names a backend to forward to.
 */
export class Store {
  readonly #db: DatabaseSync;
  readonly #options: StoreOptions;
  readonly #now: () => number;
  readonly #timer: NodeJS.Timeout;
  #sincePrune = 0;

  constructor(options: StoreOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    // Made before SQLite opens it, so that nobody else can read it for a moment; -wal and -shm take its mode over.
    closeSync(openSync(options.file, "a", 0o600));
    chmodSync(options.file, 0o600);
    this.#db = new DatabaseSync(options.file);
    this.#db.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 1000;");
    this.#db.exec("PRAGMA journal_size_limit = 16777216;");
    this.#db.exec(schema);
    const { page_size: pageSize } = this.#db.prepare("PRAGMA page_size").get() as { page_size: number };
    this.#db.exec(`PRAGMA max_page_count = ${Math.max(64, Math.floor(options.maxBytes / pageSize))}`);
    this.#timer = setInterval(() => this.prune(), pruneEveryMs).unref();
  }

  /** Keeps the spans. A span that came before stays as it was. Throws when the disk does not take it. */
  add(spans: readonly Span[]): void {
    while (!this.#inserted(spans)) {
      const { changes } = this.#db.prepare(forgetOldest).run();
      if (changes === 0) throw new ServiceError("exhausted", "the trace store has no room for a payload");
    }
    this.#sincePrune += spans.length;
    if (this.#sincePrune > this.#options.maxSpans / 20) this.prune();
  }

  /** All or none; false when the file is full. */
  #inserted(spans: readonly Span[]): boolean {
    const insert = this.#db.prepare(
      `INSERT OR IGNORE INTO spans (received, trace, span, parent, zone, instance, name, kind, start, "end", error, attributes, call)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    );
    const received = this.#now();
    this.#db.exec("BEGIN IMMEDIATE");
    try {
      for (const span of spans) {
        const { traceId, spanId, parentId = null, zone, instance, name, kind, error = null } = span;
        const [attributes, call] = [attributesText(span), isCall(span) ? 1 : 0];
        insert.run(
          ...[received, traceId, spanId, parentId, zone, instance, name, kind],
          ...[BigInt(span.start), BigInt(span.end), error, attributes, call],
        );
      }
      this.#db.exec("COMMIT");
      return true;
    } catch (error) {
      if (this.#db.isTransaction) this.#db.exec("ROLLBACK");
      if (isFull(error)) return false;
      throw error;
    }
  }

  /** The spans of a trace by their start, or of the trace whose call came in last. */
  trace(id: string): Span[] {
    const trace = id === "last" ? this.#lastTrace() : id;
    if (trace === undefined) return [];
    const rows = this.#db
      .prepare(
        `SELECT trace, span, parent, zone, instance, name, kind, CAST(start AS TEXT) AS start, CAST("end" AS TEXT) AS "end", error, attributes
         FROM spans WHERE trace = ? ORDER BY spans.start, seq LIMIT ?`,
      )
      .all(trace, maxAnswer);
    return rows.map((row) => spanOf(row as unknown as Row));
  }

  /** By arrival, not by the time a span claims: a span from the future would stay the last for ever. */
  #lastTrace(): string | undefined {
    const row = this.#db.prepare("SELECT trace FROM spans WHERE call = 1 ORDER BY seq DESC LIMIT 1").get();
    return row?.trace as string | undefined;
  }

  get size(): number {
    return (this.#db.prepare("SELECT count(*) AS n FROM spans").get() as { n: number }).n;
  }

  prune(): void {
    this.#sincePrune = 0;
    const { maxAgeMs, maxSpans } = this.#options;
    this.#db.prepare("DELETE FROM spans WHERE received < ?").run(this.#now() - maxAgeMs);
    this.#db.prepare("DELETE FROM spans WHERE seq <= (SELECT max(seq) FROM spans) - ?").run(maxSpans);
  }

  close(): void {
    clearInterval(this.#timer);
    this.#db.close();
  }
}

interface Row {
  trace: string;
  span: string;
  parent: string | null;
  zone: string;
  instance: string;
  name: string;
  kind: Span["kind"];
  start: string;
  end: string;
  error: string | null;
  attributes: string;
}

function spanOf(row: Row): Span {
  return {
    traceId: row.trace,
    spanId: row.span,
    ...(row.parent === null ? {} : { parentId: row.parent }),
    zone: row.zone,
    instance: row.instance,
    name: row.name,
    kind: row.kind,
    start: row.start,
    end: row.end,
    ...(row.error === null ? {} : { error: row.error }),
    attributes: JSON.parse(row.attributes) as Span["attributes"],
  };
}

/** At most 8 KiB a span, so that the number of spans bounds the file. */
function attributesText(span: Span): string {
  const kept: [string, unknown][] = [];
  let length = 2;
  for (const [key, value] of Object.entries(span.attributes)) {
    length += JSON.stringify(key).length + JSON.stringify(value).length + 2;
    if (length > 8192) break;
    kept.push([key, value]);
  }
  return JSON.stringify(Object.fromEntries(kept));
}

/** A request that an agent made: the `tools/call` as the edge served it. */
function isCall({ zone, kind, attributes }: Span): boolean {
  return zone === "edge" && kind === "server" && attributes["mcp.method.name"] === "tools/call";
}

function isFull(error: unknown): boolean {
  // SQLITE_FULL
  return (error as { errcode?: unknown }).errcode === 13;
}
