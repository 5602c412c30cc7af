import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";

/** How one field of a message is read: the wire type it must have, and what takes its value. */
export type Field =
  | { wire: typeof WireType.LengthDelimited; read(value: Uint8Array): void }
  | { wire: typeof WireType.Varint | typeof WireType.Bit64; read(value: bigint): void };
export type Fields = Readonly<Record<number, Field>>;

/**
 * Visits the fields of one protobuf message that the caller names and skips the others, so a later version of a schema
 * costs nothing. A field with another wire type than its own is skipped too. Throws for bytes that are no message.
 */
export function readMessage(bytes: Uint8Array, fields: Fields): void {
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const [number, wire] = reader.tag();
    const field = fields[number];
    if (field === undefined || field.wire !== wire) reader.skip(wire, number);
    else if (field.wire === WireType.LengthDelimited) field.read(reader.bytes());
    else field.read(BigInt(wire === WireType.Varint ? reader.int64() : reader.fixed64()));
  }
}

export function bytes(read: (value: Uint8Array) => void): Field {
  return { wire: WireType.LengthDelimited, read };
}

/** Text, not longer than `max` UTF-16 units. Bytes that are no UTF-8 become replacement characters. */
export function text(max: number, read: (value: string) => void): Field {
  // Four bytes a unit are always enough: no more is decoded, however long the field is.
  return bytes((value) => read(new TextDecoder().decode(value.subarray(0, max * 4)).slice(0, max)));
}

export function varint(read: (value: bigint) => void): Field {
  return { wire: WireType.Varint, read };
}

export function fixed64(read: (value: bigint) => void): Field {
  return { wire: WireType.Bit64, read };
}
