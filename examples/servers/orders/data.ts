/** An order as the API shows it. `total` is in cents. */
export interface Order {
  readonly id: string;
  readonly customer: string;
  readonly item: string;
  readonly total: number;
  readonly currency: "EUR";
  readonly status: "paid" | "shipped" | "delivered" | "refunded";
  readonly placed: string;
}

type Row = [
  id: string,
  customer: string,
  item: string,
  total: number,
  status: Order["status"],
  placed: string,
];

const rows: Row[] = [
  ["A-1001", "Ada Lovelace", "Brass gear set", 18_900, "delivered", "2026-09-02"],
  ["A-1002", "Grace Hopper", "Nanosecond of wire", 450, "delivered", "2026-09-05"],
  ["A-1003", "Alan Turing", "Paper tape, endless", 3_200, "shipped", "2026-09-11"],
  ["A-1004", "Katherine Johnson", "Slide rule", 5_990, "paid", "2026-09-14"],
  ["A-1005", "Edsger Dijkstra", "Fountain pen", 12_500, "delivered", "2026-09-20"],
  ["A-1006", "Barbara Liskov", "Adapter, one size fits", 2_750, "paid", "2026-09-23"],
  ["A-1007", "Dennis Ritchie", "Notebook, 32 pages", 890, "shipped", "2026-10-01"],
  ["A-1008", "Margaret Hamilton", "Core rope, by hand", 64_000, "delivered", "2026-10-04"],
  ["A-1009", "Donald Knuth", "Printer's loupe", 4_400, "delivered", "2026-10-09"],
  ["A-1010", "Radia Perlman", "Tree, spanning", 7_600, "paid", "2026-10-12"],
  ["A-1011", "Claude Shannon", "Coin, fair", 100, "refunded", "2026-10-15"],
  ["A-1012", "Frances Allen", "Loop, unrolled", 1_600, "paid", "2026-10-21"],
];

/** A dozen orders, the same at each start. */
export function demoOrders(): Order[] {
  return rows.map(([id, customer, item, total, status, placed]) => {
    return { id, customer, item, total, currency: "EUR", status, placed };
  });
}
