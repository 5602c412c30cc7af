import type { EnrolmentFile } from "../enrolment/enrolments.ts";
import { type Check, failed, ok, warning } from "./check.ts";
import type { BrokerFacts, ConnectorFacts, EdgeFacts, ZoneFacts } from "./zone-config.ts";

/** Pure: what cannot be seen in one file alone, because zones must say the same. */
export function compareZones(zones: readonly ZoneFacts[]): Check[] {
  const edges = zones.filter((one) => one.zone === "edge");
  const connectors = zones.filter((one) => one.zone === "connector");
  const brokers = zones.filter((one) => one.zone === "broker");
  const problems = [
    ...compareTenants([...edges, ...connectors, ...brokers]),
    ...connectors.flatMap((connector) => [
      ...edges.flatMap((edge) => compareEdge(edge, connector)),
      ...brokers.flatMap((broker) => compareBroker(broker, connector)),
    ]),
    ...edges.flatMap((edge) => brokers.flatMap((broker) => compareKeys(edge, broker))),
  ];
  if (problems.length > 0) return problems;
  return zones.length < 2 ? [] : [ok("zones together", `${zones.length} files fit each other`)];
}

function compareTenants(zones: readonly ZoneFacts[]): Check[] {
  const tenants = new Set(zones.map(({ tenant }) => tenant));
  if (tenants.size <= 1) return [];
  const said = zones.map(({ file, tenant }) => `${file}: ${tenant ?? "none"}`).join("; ");
  return [failed("tenant", `the files name different ones: ${said}`, "write the same `tenant` in each")];
}

function compareEdge(edge: EdgeFacts, connector: ConnectorFacts): Check[] {
  const checks: Check[] = [];
  if (originOf(edge.publicUrl) !== originOf(connector.publicUrl)) {
    const what = `${connector.file} expects tokens for ${connector.publicUrl || "nothing"}, ${edge.file} takes those for ${edge.publicUrl}`;
    checks.push(failed("public URL", what, "make the connector's tokens.publicUrl the edge's publicUrl"));
  }
  if (edge.issuer !== connector.issuer) {
    const what = `${connector.file} has ${connector.issuer}, ${edge.file} has ${edge.issuer}`;
    checks.push(failed("token issuer", what, "write the same tokens.issuer in both"));
  }
  return [...checks, ...compareKeys(edge, connector), ...enrolled(edge, connector)];
}

/** Does this zone know the edge, and by the key that the edge really has? */
function compareKeys(edge: EdgeFacts, other: ConnectorFacts | BrokerFacts): Check[] {
  const { instance } = edge;
  if (instance === undefined) {
    const what = `${edge.file} does not say which instance it is, so nobody can name its key`;
    return [failed("edge key", what, "set `instance`, as the edge's NATS user says")];
  }
  if (!other.edges.has(instance)) {
    const what = `${other.file} does not know the edge ${instance}`;
    return [failed("edge key", what, `add \`edges: { ${instance}: FILE }\` with the edge's public key`)];
  }
  const known = other.edges.get(instance);
  if (known === undefined) {
    const what = `the key of ${instance} that ${other.file} names cannot be read as a public key`;
    return [failed("edge key", what, "give the file with the edge's Ed25519 public key, PEM")];
  }
  if (edge.publicKey === undefined) {
    const what = `the signing key of ${instance} cannot be read from here, so it was not compared`;
    return [warning("edge key", what, "run doctor as a user who may read it")];
  }
  if (edge.publicKey === known) return [];
  const what = `${other.file} has another key of ${instance} than ${instance} signs with: its grants are refused`;
  return [failed("edge key", what, "copy the edge's present public key there")];
}

function compareBroker(broker: BrokerFacts, connector: ConnectorFacts): Check[] {
  const leases = [...connector.servers].flatMap(([server, credential]) => {
    if (credential === undefined) return [];
    const name = `credential ${credential}`;
    if (!broker.credentials.includes(credential)) {
      const what = `server ${server} of ${connector.file} uses it, and ${broker.file} does not have it`;
      return [failed(name, what, `add \`credentials.${credential}\` at the broker, or correct the name`)];
    }
    const ruled = broker.rules.some(
      (rule) =>
        rule.credential === credential &&
        rule.servers.includes(server) &&
        (rule.connectors === undefined || rule.connectors.includes(connector.instance ?? "")),
    );
    if (ruled) return [];
    const what = `no lease rule of ${broker.file} lets server ${server} of ${connector.file} use it`;
    return [failed(name, what, `add a rule with credential ${credential} and server ${server}`)];
  });
  return [...leases, ...enrolled(broker, connector)];
}

/** Does the folder of this zone enrol the connector, for what it offers? */
function enrolled(zone: EdgeFacts | BrokerFacts, connector: ConnectorFacts): Check[] {
  const { instance } = connector;
  const broken = zone.enrolments.flatMap((one) =>
    "problem" in one
      ? [failed("enrolment", `${one.file}: ${one.problem}`, "enrol that connector again")]
      : [],
  );
  const found = zone.enrolments.flatMap((one) => enrolmentOf(one, instance));
  const [first] = found;
  if (first === undefined) {
    const what = `${zone.file} has no enrolment of ${instance ?? "a connector without `instance`"}`;
    return [...broken, failed("enrolment", what, `sallyport connector enroll ${instance ?? "NAME"} …`)];
  }
  const missing = [...connector.servers.keys()].filter((server) => !first.servers.includes(server));
  if (missing.length === 0) return broken;
  const what = `${instance} offers ${missing.join(", ")}, for which ${zone.file} has not enrolled it`;
  return [...broken, warning("enrolment", what, `sallyport connector enroll ${instance} --servers …`)];
}

function enrolmentOf(one: EnrolmentFile, instance: string | undefined) {
  return "enrolment" in one && one.enrolment.connector === instance ? [one.enrolment] : [];
}

function originOf(url: string): string {
  return URL.parse(url)?.origin ?? url;
}
