/**
 * What a secret of this installation looks like, wherever it stands in a text. What is before it says nothing: in JSON a line
 * break ends in the letter n.
 */
const forms: readonly (readonly [what: string, form: RegExp])[] = [
  ["a private key (PEM)", /-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----/],
  ["a seal key's private half", /ssk1\.[A-Za-z0-9_-]{8}/],
  // Base32 of a prefix byte for "seed", one for whose it is, and 32 bytes: 58 characters that begin with S.
  ["an nkey seed", /(?<![A-Z2-7])S[ACNOUX][A-Z2-7]{56}(?![A-Z2-7])/],
  ["a Vault token", /hv[sbr]\.[A-Za-z0-9_-]{16}/],
];

/** What secrets a text holds, by kind; never the secret. What leaves its zone or the operator has none. */
export function secretsIn(text: string): string[] {
  return forms.filter(([, form]) => form.test(text)).map(([what]) => what);
}
