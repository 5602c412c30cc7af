import { X509Certificate } from "node:crypto";

/** RFC 7292, sections 4.2.3 and 4.3; RFC 2985 for friendlyName. */
const DATA = "1.2.840.113549.1.7.1";
const CERT_BAG = "1.2.840.113549.1.12.10.1.3";
const X509_CERTIFICATE = "1.2.840.113549.1.9.22.1";
const FRIENDLY_NAME = "1.2.840.113549.1.9.20";
/** Without these, Java takes a certificate for a link of somebody's chain, and trusts it for nothing. */
const JAVA_TRUSTED_USAGE = "2.16.840.1.113894.746875.1.1";
const ANY_USAGE = "2.5.29.37.0";

/**
 * The certificates of a PEM bundle as a store that Java trusts: Java reads no PEM. PKCS #12 in clear and without a MAC, as
 * a password that everybody knows protects nothing; Java opens it without one.
 */
export function javaTrustStore(bundle: string): Uint8Array {
  const found = bundle.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  const bags = found.map((pem, at) => certificateBag(new X509Certificate(pem).raw, `authority-${at}`));
  const safe = contentInfo(sequence(...bags));
  return sequence(integer(3), contentInfo(sequence(safe)));
}

function certificateBag(certificate: Uint8Array, alias: string): Buffer {
  const cert = sequence(identifier(X509_CERTIFICATE), explicit(octets(certificate)));
  // BMPString: two bytes a letter, the higher first.
  const name = der(0x1e, Buffer.from(alias, "utf16le").swap16());
  const attributes = [
    sequence(identifier(FRIENDLY_NAME), der(0x31, name)),
    sequence(identifier(JAVA_TRUSTED_USAGE), der(0x31, identifier(ANY_USAGE))),
  ];
  return sequence(identifier(CERT_BAG), explicit(cert), der(0x31, ...attributes));
}

const contentInfo = (content: Uint8Array) => sequence(identifier(DATA), explicit(octets(content)));
const sequence = (...contents: Uint8Array[]) => der(0x30, ...contents);
const explicit = (content: Uint8Array) => der(0xa0, content);
const octets = (content: Uint8Array) => der(0x04, content);
const integer = (value: number) => der(0x02, Uint8Array.of(value));

/** Tag, length, content (X.690, section 8.1). */
function der(tag: number, ...contents: Uint8Array[]): Buffer {
  const size = contents.reduce((sum, { length }) => sum + length, 0);
  const digits = size < 128 ? [] : bytesOf(size);
  const length = size < 128 ? [size] : [0x80 | digits.length, ...digits];
  return Buffer.concat([Uint8Array.of(tag, ...length), ...contents]);
}

function bytesOf(value: number): number[] {
  return value < 256 ? [value] : [...bytesOf(Math.floor(value / 256)), value % 256];
}

/** Each number in groups of seven bits, all but its last marked; the first two in one (section 8.19). */
function identifier(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  const groups = (value: number): number[] =>
    value < 128 ? [value] : [...groups(Math.floor(value / 128)).map((group) => group | 128), value % 128];
  return der(0x06, Uint8Array.from([first * 40 + second, ...rest].flatMap(groups)));
}
