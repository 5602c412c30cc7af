import type { Order } from "./data.ts";

type Refund = { ok: true; order: Order } | { ok: false; reason: "unknown" | "already-refunded" };

/** The orders in memory. */
export interface OrderBook {
  list(status?: string): Order[];
  get(id: string): Order | undefined;
  /** Give the whole total back, once. */
  refund(id: string): Refund;
}

export function orderBook(orders: readonly Order[]): OrderBook {
  const byId = new Map(orders.map((order) => [order.id, order]));
  return {
    list: (status) => [...byId.values()].filter((order) => status === undefined || order.status === status),
    get: (id) => byId.get(id),
    refund(id) {
      const order = byId.get(id);
      if (!order) return { ok: false, reason: "unknown" };
      if (order.status === "refunded") return { ok: false, reason: "already-refunded" };
      const refunded: Order = { ...order, status: "refunded" };
      byId.set(id, refunded);
      return { ok: true, order: refunded };
    },
  };
}
