import { bytes, type Field, fixed64, readMessage, text, varint } from "./protobuf.ts";

export type AttributeValue = string | number | boolean;
export type Attributes = Record<string, AttributeValue>;

const limits = { attributes: 64, key: 128, text: 1024 };

/** A repeated KeyValue field, collected into `into`; what is more than the limits is left out. */
export function attributesField(into: Attributes): Field {
  let count = 0;
  return bytes((message) => {
    count += 1;
    if (count > limits.attributes) return;
    const [key, value] = keyValue(message);
    // `defineProperty` semantics: a key named __proto__ stays a key.
    if (value !== undefined)
      Object.defineProperty(into, key, { value, enumerable: true, writable: true, configurable: true });
  });
}

/** opentelemetry.proto.common.v1.KeyValue */
export function keyValue(message: Uint8Array): [string, AttributeValue | undefined] {
  let key = "";
  let value: AttributeValue | undefined;
  readMessage(message, {
    1: text(limits.key, (found) => {
      key = found;
    }),
    2: bytes((found) => {
      value = anyValue(found);
    }),
  });
  return [key, value];
}

/**
 * opentelemetry.proto.common.v1.AnyValue. A list of plain values becomes text; a mapping is left out, and a list inside
 * a list too: how deep it goes is the sender's choice, and the stack is ours.
 */
function anyValue(message: Uint8Array, inList = false): AttributeValue | undefined {
  let value: AttributeValue | undefined;
  const set = (found: AttributeValue) => {
    value = found;
  };
  readMessage(message, {
    1: text(limits.text, set),
    2: varint((found) => set(found !== 0n)),
    3: varint((found) => set(Number.isSafeInteger(Number(found)) ? Number(found) : String(found))),
    4: fixed64((found) => {
      const double = doubleOf(found);
      set(Number.isFinite(double) ? double : String(double));
    }),
    5: bytes((list) => {
      if (!inList) set(listText(list));
    }),
    7: bytes((found) => set(`[${found.length} bytes]`)),
  });
  return value;
}

function listText(list: Uint8Array): string {
  const entries: string[] = [];
  readMessage(list, {
    1: bytes((entry) => {
      if (entries.length < 32) entries.push(String(anyValue(entry, true) ?? ""));
    }),
  });
  return entries.join(", ").slice(0, limits.text);
}

function doubleOf(bits: bigint): number {
  const view = new DataView(new ArrayBuffer(8));
  view.setBigUint64(0, BigInt.asUintN(64, bits));
  return view.getFloat64(0);
}
