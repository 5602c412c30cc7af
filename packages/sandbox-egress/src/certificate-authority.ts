import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from "node:crypto";
import { isIPv4 } from "node:net";
import { createSecureContext, type SecureContext } from "node:tls";
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

/** Vouches inside one sandbox for the hosts that a credential is placed for, and by its constraints for no other. */
export interface CertificateAuthority {
  /** To be trusted inside, PEM. */
  readonly certificate: string;
  /** What a terminated connection to one of the hosts is answered with. */
  contextFor(host: string): SecureContext;
}

/**
 * Keys live in memory alone and end with the sandbox: nothing to steal from a disk. Name constraints (RFC 5280, section
 * 4.2.1.10) make it worthless for any host but these, so that who takes it reads nothing else of the sandbox's.
 *
 * @param hosts at least one; addresses as well as names
 */
export function createAuthority(hosts: readonly string[], now = new Date()): CertificateAuthority {
  const own = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const leaf = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const issue = (about: Issue) => issueCertificate(about, { issuer: own, now });
  const permittedSubtrees = new GeneralSubtrees(
    hosts.map((base) => new GeneralSubtree({ base: subtree(base) })),
  );
  const certificate = issue({
    name: "Sallyport sandbox",
    key: own.publicKey,
    extensions: [
      extension(id_ce_basicConstraints, new BasicConstraints({ cA: true, pathLenConstraint: 0 }), true),
      extension(id_ce_keyUsage, new KeyUsage(KeyUsageFlags.keyCertSign), true),
      extension(id_ce_nameConstraints, new NameConstraints({ permittedSubtrees }), true),
      extension(id_ce_subjectKeyIdentifier, new SubjectKeyIdentifier(keyIdentifier(own.publicKey))),
    ],
  });
  const key = leaf.privateKey.export({ type: "pkcs8", format: "pem" });
  const contexts = new Map<string, SecureContext>();
  return {
    certificate,
    contextFor(host) {
      const known = contexts.get(host);
      if (known !== undefined) return known;
      const authorityKey = new AuthorityKeyIdentifier({
        keyIdentifier: new KeyIdentifier(keyIdentifier(own.publicKey)),
      });
      const cert = issue({
        name: "Sallyport egress",
        key: leaf.publicKey,
        extensions: [
          extension(id_ce_basicConstraints, new BasicConstraints({ cA: false }), true),
          extension(id_ce_keyUsage, new KeyUsage(KeyUsageFlags.digitalSignature), true),
          extension(id_ce_extKeyUsage, new ExtendedKeyUsage([id_kp_serverAuth])),
          extension(id_ce_subjectAltName, new SubjectAlternativeName([alternative(host)])),
          extension(id_ce_authorityKeyIdentifier, authorityKey),
        ],
      });
      const fresh = createSecureContext({ key, cert: cert + certificate, minVersion: "TLSv1.2" });
      contexts.set(host, fresh); // bounded: only the hosts of the constraints are asked for
      return fresh;
    },
  };
}

interface Issue {
  readonly name: string;
  readonly key: KeyObject;
  readonly extensions: Extension[];
}

function issueCertificate(
  { name, key, extensions }: Issue,
  { issuer, now }: { issuer: { publicKey: KeyObject; privateKey: KeyObject }; now: Date },
): string {
  const signatureAlgorithm = new AlgorithmIdentifier({ algorithm: ECDSA_WITH_SHA256 });
  const serial = randomBytes(16);
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40; // positive, and no leading zero
  const tbsCertificate = new TBSCertificate({
    version: Version.v3,
    serialNumber: bufferOf(serial),
    signature: signatureAlgorithm,
    issuer: commonName("Sallyport sandbox"),
    validity: new Validity({
      notBefore: new Date(now.getTime() - DAY_MS),
      notAfter: new Date(now.getTime() + 30 * DAY_MS),
    }),
    subject: commonName(name),
    subjectPublicKeyInfo: AsnConvert.parse(key.export({ type: "spki", format: "der" }), SubjectPublicKeyInfo),
    extensions: new Extensions(extensions),
  });
  const signed = Buffer.from(AsnConvert.serialize(tbsCertificate));
  const signatureValue = bufferOf(sign("sha256", signed, issuer.privateKey));
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
  return bufferOf(
    createHash("sha1")
      .update(key.export({ type: "spki", format: "der" }))
      .digest(),
  );
}

const isAddress = (host: string) => isIPv4(host) || host.includes(":");

function alternative(host: string): GeneralName {
  return isAddress(host) ? new GeneralName({ iPAddress: host }) : new GeneralName({ dNSName: host });
}

/** An address as a range of one. */
function subtree(host: string): GeneralName {
  if (!isAddress(host)) return new GeneralName({ dNSName: host });
  return new GeneralName({ iPAddress: isIPv4(host) ? `${host}/32` : `${host}/128` });
}

function bufferOf(bytes: Uint8Array): ArrayBuffer {
  return Uint8Array.from(bytes).buffer;
}
