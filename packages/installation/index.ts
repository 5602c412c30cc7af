/**
 * What crosses a zone's border when it is installed: a *request* with the public halves of the keys that the zone made for
 * itself goes to the operator; a *bundle* comes back, signed by the operator, with all that the zone needs of the others.
 * Neither holds a secret, and no key ever travels.
 *
 *     zone:      makeZoneKeys(folder, who)             → request.json, keys stay (0600)
 *     operator:  signBundle(what the zone needs, …)    → one JSON file
 *     zone:      problemsOfBundle, problemsWithFolder  → nothing, or why not
 *                installBundle(bundle, folder)         → settings, creds, edges and enrolments, which a process follows
 */
export {
  Bundle,
  isSignedByOperator,
  maxBundleBytes,
  RelayFacts,
  signBundle,
  TokenFacts,
  type UnsignedBundle,
} from "./src/bundle.ts";
export { type BundleProblem, problemsOfAuthority, problemsOfBundle } from "./src/check-bundle.ts";
export {
  type InstallReport,
  installBundle,
  problemsWithFolder,
  readInstalled,
  writeConnectFiles,
} from "./src/install-bundle.ts";
export { bundleFor, InstallationFacts, InstanceRecord, publicUrlOf, toldOf } from "./src/records.ts";
export { createRelayAuthority, renewRelayCertificate } from "./src/relay-authority.ts";
export { requestFingerprint, ZoneKeys, ZoneRequest } from "./src/request.ts";
export { secretsIn } from "./src/secrets-in.ts";
export { readIfThere, replaceFile, writeNew } from "./src/write-file.ts";
export { ownSettings, settingsFileOf, zoneFolder } from "./src/zone-files.ts";
export { makeZoneKeys, ZoneFolderError } from "./src/zone-keys.ts";
export { zoneNeeds } from "./src/zones.ts";
