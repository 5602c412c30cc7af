import { EgressError } from "./egress-error.ts";
import type { UpstreamTarget } from "./route.ts";
import { openUpstream, type Upstream, type UpstreamOptions } from "./upstream.ts";

export interface PoolsOptions extends Omit<UpstreamOptions, "partition" | "tls"> {
  /** Upstreams open at once. */
  readonly most: number;
  /** After how long without use an upstream is closed. */
  readonly idleMs: number;
}

interface Entry {
  readonly upstream: Upstream;
  readonly partition: string;
  usedAt: number;
}

/** All upstreams of a process, by target and partition: bounded in number, closed when idle. */
export class Pools {
  readonly #options: PoolsOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #sweeper: NodeJS.Timeout;

  constructor(options: PoolsOptions) {
    this.#options = options;
    this.#sweeper = setInterval(() => this.#sweep(), Math.max(10, options.idleMs / 2)).unref();
  }

  get size(): number {
    return this.#entries.size;
  }

  /**
   * The upstream to use for the next request. Ask for it each time: an idle one is closed.
   *
   * @throws EgressError `exhausted` when `most` upstreams are open and none is idle
   */
  upstream(
    target: UpstreamTarget,
    { partition, tls }: { partition: string; tls?: { readonly ca?: string } },
  ): Upstream {
    const key = JSON.stringify([target.url.origin, partition, tls?.ca ?? null]);
    const found = this.#entries.get(key);
    if (found !== undefined) {
      found.usedAt = performance.now();
      return found.upstream;
    }
    if (this.#entries.size >= this.#options.most) this.#makeRoom();
    const upstream = openUpstream(target, { ...this.#options, partition, tls });
    this.#entries.set(key, { upstream, partition, usedAt: performance.now() });
    return upstream;
  }

  /** End everything that a partition has open, now: its credential was revoked. */
  async drop(partition: string): Promise<void> {
    const dropped = [...this.#entries].filter(([, entry]) => entry.partition === partition);
    for (const [key] of dropped) this.#entries.delete(key);
    await Promise.all(dropped.map(([, { upstream }]) => upstream.destroy()));
  }

  /** Lets running requests end. */
  async close(): Promise<void> {
    clearInterval(this.#sweeper);
    const entries = [...this.#entries.values()];
    this.#entries.clear();
    await Promise.all(entries.map(({ upstream }) => upstream.close()));
  }

  #makeRoom(): void {
    const idle = [...this.#entries].filter(([, { upstream }]) => upstream.idle);
    const [oldest] = idle.sort(([, a], [, b]) => a.usedAt - b.usedAt);
    if (oldest === undefined) {
      throw new EgressError("exhausted", `${this.#options.most} upstreams are in use`);
    }
    this.#closeIdle(oldest[0], oldest[1]);
  }

  #sweep(): void {
    const before = performance.now() - this.#options.idleMs;
    for (const [key, entry] of this.#entries) {
      if (entry.upstream.idle && entry.usedAt < before) this.#closeIdle(key, entry);
    }
  }

  #closeIdle(key: string, { upstream }: Entry): void {
    this.#entries.delete(key);
    upstream.close().catch(() => upstream.destroy());
  }
}
