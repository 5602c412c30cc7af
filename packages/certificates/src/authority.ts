import {
  createHash,
  createPrivateKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
  X509Certificate,
} from "node:crypto";
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

export interface Authority {
  /** To be trusted, PEM. */
  readonly certificate: string;
  /** P-256. Whoever has it vouches for the authority's hosts. */
  readonly privateKey: KeyObject;
  /** A server's certificate for some of the hosts, PEM. */
  issue(server: {
    readonly name: string;
    readonly publicKey: KeyObject;
    readonly hosts: readonly string[];
    readonly days: number;
  }): string;
}

/**
 * Name constraints (RFC 5280, section 4.2.1.10) make it worthless for any host but these: who takes it impersonates
 * these and nobody else.
 *
 * @param hosts at least one; addresses as well as names
 */
export function createAuthority(
  hosts: readonly string[],
  { name, days, now = new Date() }: { name: string; days: number; now?: Date },
): Authority {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const permittedSubtrees = new GeneralSubtrees(
    hosts.map((base) => new GeneralSubtree({ base: subtree(base) })),
  );
  const certificate = issueCertificate({
    ...{ name, publicKey, days, now, issuer: { name, privateKey } },
    extensions: [
      extension(id_ce_basicConstraints, new BasicConstraints({ cA: true, pathLenConstraint: 0 }), true),
      extension(id_ce_keyUsage, new KeyUsage(KeyUsageFlags.keyCertSign), true),
      extension(id_ce_nameConstraints, new NameConstraints({ permittedSubtrees }), true),
      extension(id_ce_subjectKeyIdentifier, new SubjectKeyIdentifier(keyIdentifier(publicKey))),
    ],
  });
  return authorityOf({ name, certificate, publicKey, privateKey }, now);
}

/**
 * One that `createAuthority` made before, from what was kept of it, PEM both.
 *
 * @throws where the key is not the certificate's
 */
export function readAuthority(
  { certificate, key }: { certificate: string; key: string },
  now = new Date(),
): Authority {
  const parsed = new X509Certificate(certificate);
  const privateKey = createPrivateKey(key);
  const name = /^CN=(.+)$/.exec(parsed.subject)?.[1];
  if (name === undefined || !parsed.ca || !parsed.checkPrivateKey(privateKey))
    throw new Error("the certificate is no authority's, or the key is another's");
  return authorityOf({ name, certificate, publicKey: parsed.publicKey, privateKey }, now);
}

interface Made {
  readonly name: string;
  readonly certificate: string;
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

function authorityOf({ name, certificate, publicKey, privateKey }: Made, now: Date): Authority {
  const authorityKey = new AuthorityKeyIdentifier({
    keyIdentifier: new KeyIdentifier(keyIdentifier(publicKey)),
  });
  return {
    certificate,
    privateKey,
    issue: ({ hosts, ...server }) =>
      issueCertificate({
        ...{ ...server, now, issuer: { name, privateKey } },
        extensions: [
          extension(id_ce_basicConstraints, new BasicConstraints({ cA: false }), true),
          extension(id_ce_keyUsage, new KeyUsage(KeyUsageFlags.digitalSignature), true),
          extension(id_ce_extKeyUsage, new ExtendedKeyUsage([id_kp_serverAuth])),
          extension(id_ce_subjectAltName, new SubjectAlternativeName(hosts.map(alternative))),
          extension(id_ce_authorityKeyIdentifier, authorityKey),
        ],
      }),
  };
}

interface Issue {
  readonly name: string;
  readonly publicKey: KeyObject;
  readonly days: number;
  readonly extensions: Extension[];
  readonly issuer: { readonly name: string; readonly privateKey: KeyObject };
  readonly now: Date;
}

function issueCertificate({ name, publicKey, days, extensions, issuer, now }: Issue): string {
  const signatureAlgorithm = new AlgorithmIdentifier({ algorithm: ECDSA_WITH_SHA256 });
  const serial = randomBytes(16);
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40; // positive, and no leading zero
  const tbsCertificate = new TBSCertificate({
    version: Version.v3,
    serialNumber: bufferOf(serial),
    signature: signatureAlgorithm,
    issuer: commonName(issuer.name),
    validity: new Validity({
      // Clocks may be behind.
      notBefore: new Date(now.getTime() - DAY_MS),
      notAfter: new Date(now.getTime() + days * DAY_MS),
    }),
    subject: commonName(name),
    subjectPublicKeyInfo: AsnConvert.parse(
      publicKey.export({ type: "spki", format: "der" }),
      SubjectPublicKeyInfo,
    ),
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

function bufferOf(bytes: Uint8Array): ArrayBuffer {
  return Uint8Array.from(bytes).buffer;
}
