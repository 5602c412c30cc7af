import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";
import { isIP, isIPv4 } from "node:net";
import { AsnConvert, OctetString } from "@peculiar/asn1-schema";
import {
  AlgorithmIdentifier,
  AttributeTypeAndValue,
  AttributeValue,
  AuthorityKeyIdentifier,
  BasicConstraints,
  Certificate,
  ExtendedKeyUsage,
  Extension,
  Extensions,
  GeneralName,
  GeneralSubtree,
  GeneralSubtrees,
  id_ce_authorityKeyIdentifier,
  id_ce_basicConstraints,
  id_ce_extKeyUsage,
  id_ce_keyUsage,
  id_ce_nameConstraints,
  id_ce_subjectAltName,
  id_ce_subjectKeyIdentifier,
  id_kp_serverAuth,
  KeyIdentifier,
  KeyUsage,
  KeyUsageFlags,
  Name,
  NameConstraints,
  RelativeDistinguishedName,
  SubjectAlternativeName,
  SubjectKeyIdentifier,
  SubjectPublicKeyInfo,
  TBSCertificate,
  Validity,
  Version,
} from "@peculiar/asn1-x509";

const ECDSA_WITH_SHA256 = "1.2.840.10045.4.3.2";
const COMMON_NAME = "2.5.4.3";
const DAY_MS = 86_400_000;
const authorityName = "Sallyport relay authority";

/** PEM, both; the key is a secret. */
export interface CertificateAndKey {
  certificate: string;
  key: string;
}

/**
 * An authority for one relay, and the relay's own certificate for these hosts (names or addresses). By its constraints
 * (RFC 5280, section 4.2.1.10) it vouches for these hosts and no other: who steals it impersonates this relay alone.
 *
 * The authority counts for ten years, the relay's certificate for two.
 */
export function createRelayAuthority(
  hosts: readonly string[],
  now = new Date(),
): { authority: CertificateAndKey; relay: CertificateAndKey } {
  const own = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const leaf = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const issue = (about: Omit<Issue, "issuer" | "now">) =>
    issueCertificate({ ...about, issuer: own.privateKey, now });
  const permittedSubtrees = new GeneralSubtrees(
    hosts.map((base) => new GeneralSubtree({ base: subtree(base) })),
  );
  const authority = issue({
    ...{ name: authorityName, key: own.publicKey, days: 3650 },
    extensions: [
      extension(id_ce_basicConstraints, new BasicConstraints({ cA: true, pathLenConstraint: 0 }), true),
      extension(id_ce_keyUsage, new KeyUsage(KeyUsageFlags.keyCertSign), true),
      extension(id_ce_nameConstraints, new NameConstraints({ permittedSubtrees }), true),
      extension(id_ce_subjectKeyIdentifier, new SubjectKeyIdentifier(keyIdentifier(own.publicKey))),
    ],
  });
  const authorityKey = new AuthorityKeyIdentifier({
    keyIdentifier: new KeyIdentifier(keyIdentifier(own.publicKey)),
  });
  const relay = issue({
    ...{ name: "Sallyport relay", key: leaf.publicKey, days: 730 },
    extensions: [
      extension(id_ce_basicConstraints, new BasicConstraints({ cA: false }), true),
      extension(id_ce_keyUsage, new KeyUsage(KeyUsageFlags.digitalSignature), true),
      extension(id_ce_extKeyUsage, new ExtendedKeyUsage([id_kp_serverAuth])),
      extension(id_ce_subjectAltName, new SubjectAlternativeName(hosts.map(alternative))),
      extension(id_ce_authorityKeyIdentifier, authorityKey),
    ],
  });
  return {
    authority: { certificate: authority, key: pemOf(own.privateKey) },
    relay: { certificate: relay, key: pemOf(leaf.privateKey) },
  };
}

interface Issue {
  name: string;
  key: KeyObject;
  days: number;
  extensions: Extension[];
  issuer: KeyObject;
  now: Date;
}

function issueCertificate({ name, key, days, extensions, issuer, now }: Issue): string {
  const signatureAlgorithm = new AlgorithmIdentifier({ algorithm: ECDSA_WITH_SHA256 });
  const serial = randomBytes(16);
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40; // positive, and no leading zero
  const tbsCertificate = new TBSCertificate({
    version: Version.v3,
    serialNumber: bufferOf(serial),
    signature: signatureAlgorithm,
    issuer: commonName(authorityName),
    validity: new Validity({
      // Clocks of zones may be behind.
      notBefore: new Date(now.getTime() - DAY_MS),
      notAfter: new Date(now.getTime() + days * DAY_MS),
    }),
    subject: commonName(name),
    subjectPublicKeyInfo: AsnConvert.parse(key.export({ type: "spki", format: "der" }), SubjectPublicKeyInfo),
    extensions: new Extensions(extensions),
  });
  const signed = Buffer.from(AsnConvert.serialize(tbsCertificate));
  const signatureValue = bufferOf(sign("sha256", signed, issuer));
  const der = AsnConvert.serialize(new Certificate({ tbsCertificate, signatureAlgorithm, signatureValue }));
  const lines = Buffer.from(der).toString("base64").replace(/.{64}/g, "$&\n").trimEnd();
  return `-----BEGIN CERTIFICATE-----\n${lines}\n-----END CERTIFICATE-----\n`;
}

function extension(extnID: string, value: unknown, critical = false): Extension {
  return new Extension({ extnID, critical, extnValue: new OctetString(AsnConvert.serialize(value)) });
}

function commonName(text: string): Name {
  const value = new AttributeValue({ utf8String: text });
  return new Name([new RelativeDistinguishedName([new AttributeTypeAndValue({ type: COMMON_NAME, value })])]);
}

function keyIdentifier(key: KeyObject): ArrayBuffer {
  const spki = key.export({ type: "spki", format: "der" });
  return bufferOf(createHash("sha1").update(spki).digest());
}

function alternative(host: string): GeneralName {
  return isIP(host) ? new GeneralName({ iPAddress: host }) : new GeneralName({ dNSName: host });
}

/** An address as a range of one. */
function subtree(host: string): GeneralName {
  if (!isIP(host)) return new GeneralName({ dNSName: host });
  return new GeneralName({ iPAddress: isIPv4(host) ? `${host}/32` : `${host}/128` });
}

const pemOf = (key: KeyObject) => key.export({ type: "pkcs8", format: "pem" }).toString();

function bufferOf(bytes: Uint8Array): ArrayBuffer {
  return Uint8Array.from(bytes).buffer;
}
