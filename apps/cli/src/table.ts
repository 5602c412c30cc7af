import { printable } from "@sallyport/contracts";

export interface Column<Row> {
  title: string;
  /** Text of any origin: it is made printable and cut to `max`. */
  text(row: Row): string;
  max: number;
  /** Colour, put on after the text was made printable and padded. */
  paint?(row: Row): (text: string) => string;
}

/** Rows as lines under a line of titles; each column as wide as its widest text. */
export function table<Row>(rows: readonly Row[], columns: readonly Column<Row>[]): string {
  const cells = columns.map((column) => {
    const texts = rows.map((row) => printable(column.text(row), column.max));
    const width = Math.max(column.title.length, ...texts.map((text) => text.length));
    return { column, texts, width };
  });
  const line = (cell: (at: (typeof cells)[number]) => string) => cells.map(cell).join("  ").trimEnd();
  const titles = line(({ column, width }) => column.title.padEnd(width));
  const lines = rows.map((row, index) =>
    line(({ column, texts, width }) => {
      const text = (texts[index] ?? "").padEnd(width);
      return column.paint?.(row)(text) ?? text;
    }),
  );
  return `${[titles, ...lines].join("\n")}\n`;
}
