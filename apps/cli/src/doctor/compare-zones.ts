import { type Check, failed, ok, warning } from "./check.ts";
import type { BrokerFacts, EdgeFacts, GateFacts, ZoneFacts } from "./zone-config.ts";

/** Pure: what cannot be seen in one file alone, because zones must say the same. */
export function compareZones(zones: readonly ZoneFacts[]): Check[] {
  const edges = zones.filter((one) => one.zone === "edge");
  const gates = zones.filter((one): one is GateFacts => one.zone === "connector" || one.zone === "runner");
  const brokers = zones.filter((one) => one.zone === "broker");
  const problems = [
    ...compareTenants([...edges, ...gates, ...brokers]),
    ...gates.flatMap((gate) => [
      ...edges.flatMap((edge) => compareEdge(edge, gate)),
      ...brokers.flatMap((broker) => compareBroker(broker, gate)),
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

function compareEdge(edge: EdgeFacts, gate: GateFacts): Check[] {
  const checks: Check[] = [];
  if (originOf(edge.publicUrl) !== originOf(gate.publicUrl)) {
    const what = `${gate.file} expects tokens for ${gate.publicUrl || "nothing"}, ${edge.file} takes those for ${edge.publicUrl}`;
    checks.push(failed("public URL", what, `make the ${gate.zone}'s tokens.publicUrl the edge's publicUrl`));
  }
  if (edge.issuer !== gate.issuer) {
    const what = `${gate.file} has ${gate.issuer}, ${edge.file} has ${edge.issuer}`;
    checks.push(failed("token issuer", what, "write the same tokens.issuer in both"));
  }
  return [...checks, ...compareKeys(edge, gate), ...enrolled(edge, gate)];
}

/** Does this zone know the edge, and by the key that the edge really has? */
function compareKeys(edge: EdgeFacts, other: GateFacts | BrokerFacts): Check[] {
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

function compareBroker(broker: BrokerFacts, gate: GateFacts): Check[] {
  const used = [...gate.servers].flatMap(([server, credentials]) =>
    credentials.map((credential) => ({ server, credential })),
  );
  const leases = used.flatMap(({ server, credential }) => {
    const name = `credential ${credential}`;
    if (!broker.credentials.includes(credential)) {
      const what = `server ${server} of ${gate.file} uses it, and ${broker.file} does not have it`;
      return [failed(name, what, `add \`credentials.${credential}\` at the broker, or correct the name`)];
    }
    const ruled = broker.rules.some(
      (rule) =>
        rule.credential === credential &&
        rule.servers.includes(server) &&
        (rule.connectors === undefined || rule.connectors.includes(gate.instance ?? "")),
    );
    if (ruled) return [];
    const what = `no lease rule of ${broker.file} lets server ${server} of ${gate.file} use it`;
    return [failed(name, what, `add a rule with credential ${credential} and server ${server}`)];
  });
  return [...leases, ...enrolled(broker, gate)];
}

/** Does the folder of this zone enrol the connector or runner, for what it offers? */
function enrolled(of: EdgeFacts | BrokerFacts, { zone, instance, servers }: GateFacts): Check[] {
  const broken = of.enrolments.flatMap((one) =>
    "problem" in one ? [failed("enrolment", `${one.file}: ${one.problem}`, "enrol its owner again")] : [],
  );
  const first = of.enrolments
    .flatMap((one) => ("enrolment" in one ? [one.enrolment] : []))
    .find((one) => one.connector === instance);
  const enrol = `sallyport ${zone} enroll ${instance ?? "NAME"}`;
  if (first === undefined) {
    const what = `${of.file} has no enrolment of ${instance ?? `a ${zone} without \`instance\``}`;
    return [...broken, failed("enrolment", what, `${enrol} …`)];
  }
  if (first.zone !== zone) {
    const what = `${of.file} has enrolled ${instance} as a ${first.zone}, and it is a ${zone}`;
    const fix = `sallyport ${first.zone} remove ${instance}, then ${enrol} …`;
    return [...broken, failed("enrolment", what, fix)];
  }
  const missing = [...servers.keys()].filter((server) => !first.servers.includes(server));
  if (missing.length === 0) return broken;
  const what = `${instance} offers ${missing.join(", ")}, for which ${of.file} has not enrolled it`;
  const option = zone === "runner" ? "--pools" : "--servers";
  return [...broken, warning("enrolment", what, `${enrol} ${option} …`)];
}

function originOf(url: string): string {
  return URL.parse(url)?.origin ?? url;
}
