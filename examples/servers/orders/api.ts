import type { IncomingMessage, ServerResponse } from "node:http";
import type { OrderBook } from "./book.ts";

/**
 * The HTTP API, as many a company has one: GET /orders[?status=…], GET /orders/:id, POST /orders/:id/refund.
 * Whoever calls was already checked for the bearer token.
 */
export function ordersApi(book: OrderBook): (req: IncomingMessage, res: ServerResponse) => void {
  return (req, res) => {
    const answer = (status: number, body: unknown) => {
      res.writeHead(status, { "content-type": "application/json" });
      res.end(JSON.stringify(body));
    };
    const url = new URL(req.url ?? "/", "http://orders");
    const [, root, id, action, ...rest] = url.pathname.split("/");
    const route = `${req.method} ${root}${id === undefined ? "" : "/:id"}${action === undefined ? "" : `/${action}`}`;
    if (rest.length > 0) return answer(404, { error: "no such path" });
    switch (route) {
      case "GET orders":
        return answer(200, { orders: book.list(url.searchParams.get("status") ?? undefined) });
      case "GET orders/:id": {
        const order = book.get(id ?? "");
        return order ? answer(200, order) : answer(404, { error: "no such order" });
      }
      case "POST orders/:id/refund": {
        const refund = book.refund(id ?? "");
        if (refund.ok) return answer(200, refund.order);
        return refund.reason === "unknown"
          ? answer(404, { error: "no such order" })
          : answer(409, { error: "order is already refunded" });
      }
      default:
        return answer(404, { error: "no such path" });
    }
  };
}
