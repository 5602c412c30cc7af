const starts: readonly (readonly [string, (head: Buffer) => boolean])[] = [
  ["image/png", (head) => head.subarray(0, 8).equals(Buffer.from("\x89PNG\r\n\x1a\n", "latin1"))],
  ["image/jpeg", (head) => head.subarray(0, 3).equals(Buffer.from([0xff, 0xd8, 0xff]))],
  ["image/gif", (head) => /^GIF8[79]a/.test(head.subarray(0, 6).toString("latin1"))],
  ["image/webp", (head) => /^RIFF.{4}WEBP/s.test(head.subarray(0, 12).toString("latin1"))],
];

/** The kinds that a model can see, told by their first bytes: a name says nothing sure. */
export function imageTypeOf(head: Buffer): string | undefined {
  return starts.find(([, begins]) => begins(head))?.[0];
}
