import { type Contract, contracts, type ZoneInstance, zones } from "@sallyport/contracts";
import { users } from "./nats-relay.ts";

/** One thing a user may try on the wire, and whether the contracts mean it to be possible. */
export interface Attempt {
  act: "pub" | "sub";
  subject: string;
  queue?: string;
  allowed: boolean;
}

type Params = Record<string, string>;

/**
 * Every subject of every contract, with every instance in every place, as `who` would try it. It asks of one concrete
 * subject at a time who is named in it: it shares no code with the generator, which writes patterns.
 */
export function attemptsOn(contract: Contract, who: ZoneInstance, among = users): Attempt[] {
  const everyParams = (placeholders: readonly string[]) => paramsOf(placeholders, among);
  switch (contract.kind) {
    case "request":
      return everyParams(contract.subject.placeholders).flatMap((params): Attempt[] => {
        const subject = contract.subject.subjectFor(params as never);
        const serves = contract.servedBy === who.zone && addressedTo(params, who);
        return [
          { act: "pub", subject, allowed: contract.calledBy.includes(who.zone) && spokenBy(params, who) },
          { act: "sub", subject, allowed: false },
          { act: "sub", subject, queue: "thieves", allowed: false },
          { act: "sub", subject, queue: contract.servedBy, allowed: serves },
        ];
      });
    case "event":
      return everyParams(contract.subject.placeholders).flatMap((params): Attempt[] => {
        const subject = contract.subject.subjectFor(params as never);
        const hears = contract.heardBy.includes(who.zone) && addressedTo(params, who);
        return [
          { act: "pub", subject, allowed: contract.publishedBy.includes(who.zone) && spokenBy(params, who) },
          { act: "sub", subject, allowed: hears },
          { act: "sub", subject, queue: who.zone, allowed: hears },
        ];
      });
    case "stream":
      return [
        { road: contract.up, from: contract.caller, to: contract.server },
        { road: contract.down, from: contract.server, to: contract.caller },
      ].flatMap(({ road, from, to }) =>
        everyParams(road.placeholders).flatMap((params): Attempt[] => {
          const subject = road.subjectFor(params as never);
          const hears = to === who.zone && addressedTo(params, who);
          return [
            { act: "pub", subject, allowed: from === who.zone && spokenBy(params, who) },
            { act: "sub", subject, allowed: hears },
            { act: "sub", subject, queue: who.zone, allowed: hears },
          ];
        }),
      );
    case "log": {
      const reads = contract.readBy.includes(who.zone);
      const appends = everyParams(contract.subject.placeholders).flatMap((params): Attempt[] => {
        const subject = contract.subject.subjectFor(params as never);
        return [
          { act: "pub", subject, allowed: contract.appendedBy.includes(who.zone) && spokenBy(params, who) },
          { act: "sub", subject, allowed: false },
          { act: "sub", subject, queue: who.zone, allowed: false },
        ];
      });
      const filter = contract.subject.filterFor({});
      return [...appends, ...jetstreamAttempts(contract.stream, filter, reads ? readingALog : [])];
    }
    case "queue": {
      const entries = everyParams(contract.subject.placeholders).flatMap((params): Attempt[] => {
        const subject = contract.subject.subjectFor(params as never);
        return [
          { act: "pub", subject, allowed: contract.enqueuedBy.includes(who.zone) && spokenBy(params, who) },
          { act: "sub", subject, allowed: false },
          { act: "sub", subject, queue: who.zone, allowed: false },
        ];
      });
      const allowed = [
        ...(contract.takenBy.includes(who.zone) ? takingFromAQueue : []),
        ...(contract.countedBy.includes(who.zone) ? countingAQueue : []),
      ];
      return [...entries, ...jetstreamAttempts(contract.stream, contract.subject.filterFor({}), allowed)];
    }
    case "bucket": {
      const reading = contract.watched ? readingABucket : gettingFromABucket;
      const reads = contract.readBy.includes(who.zone);
      const subject = `$KV.${contract.name}.key`;
      return [
        { act: "pub", subject, allowed: contract.writtenBy.includes(who.zone) },
        { act: "sub", subject, allowed: false },
        { act: "sub", subject, queue: who.zone, allowed: false },
        ...jetstreamAttempts(`KV_${contract.name}`, `$KV.${contract.name}.>`, reads ? reading : []),
      ];
    }
  }
}

/** What no zone may do, whatever the contracts say. */
export function neverAllowed(who: ZoneInstance, among = users): Attempt[] {
  const everything = [">", "*", "*.>", "*.*", "*.*.*.*", "$SYS.>", "$SYS.ACCOUNT.>", "$SYS.REQ.USER.INFO"];
  const broad = ["$JS.>", "$JS.API.>", "$JS.EVENT.>", "$JS.ACK.>", "$JS.FC.>", "$KV.>", "$KV.*.>", "$G.>"];
  const areas = contracts.flatMap((contract) => {
    if (contract.kind === "bucket") return [`$KV.${contract.name}.>`];
    const roads = contract.kind === "stream" ? [contract.up, contract.down] : [contract.subject];
    return roads.flatMap((road) => [`${road.pattern.split(".")[0]}.>`, `${road.pattern.split(".")[0]}.v1.>`]);
  });
  const inboxes = ["_INBOX.>", "_INBOX.*", "_INBOX.*.*.>", `_INBOX.${who.zone}.>`, `_INBOX.${who.zone}.*.>`];
  const others = among
    .filter((user) => user.zone !== who.zone || user.instance !== who.instance)
    .flatMap((user) => [`_INBOX.${user.zone}.${user.instance}.>`, `_INBOX.${user.zone}.${user.instance}.x`]);
  const provisioner = ["_INBOX.provisioner.>", "_INBOX.provisioner.x"];
  const subs = [...everything, ...broad, ...areas, ...inboxes, ...others, ...provisioner];
  const pubs = [
    ...[
      ">",
      "*",
      "x",
      "_INBOX.x",
      "$SYS.REQ.SERVER.PING",
      "$SYS.REQ.ACCOUNT.PING.CONNZ",
      "$SYS.REQ.USER.INFO",
    ],
    ...others.filter((subject) => subject.endsWith(".x")),
    ...[
      `_INBOX.${who.zone}.${who.instance}.x`,
      "_INBOX.provisioner.x",
      "$JS.ACK.AUDIT.x.1.1.1.1.1",
      "$JS.EVENT.x",
    ],
    ...accountRequests.map((request) => `$JS.API.${request}`),
    ...contracts.flatMap((contract) => (contract.kind === "bucket" ? [] : wildcardsOf(contract))),
  ];
  return [
    ...subs.flatMap((subject): Attempt[] => [
      { act: "sub", subject, allowed: false },
      { act: "sub", subject, queue: who.zone, allowed: false },
    ]),
    ...pubs.map((subject): Attempt => ({ act: "pub", subject, allowed: false })),
    ...jetstreamAttempts("ELSEWHERE", "elsewhere.>", []),
    { act: "sub", subject: `_INBOX.${who.zone}.${who.instance}.>`, allowed: true },
  ];
}

/** Said by: every place that names the speaker names this one. */
function spokenBy(params: Params, who: ZoneInstance): boolean {
  return (
    addressedTo(params, who) &&
    (params.zone ?? who.zone) === who.zone &&
    (params.instance ?? who.instance) === who.instance
  );
}

/** Heard by: a place for an instance of this zone names this one. */
function addressedTo(params: Params, who: ZoneInstance): boolean {
  return (params[who.zone] ?? who.instance) === who.instance;
}

function paramsOf(placeholders: readonly string[], users: readonly ZoneInstance[]): Params[] {
  return placeholders.reduce<Params[]>(
    (found, name) =>
      found.flatMap((params) => valuesOf(name, users).map((value) => ({ ...params, [name]: value }))),
    [{}],
  );
}

function valuesOf(placeholder: string, users: readonly ZoneInstance[]): string[] {
  if (placeholder === "zone") return [...zones];
  if (placeholder === "instance") return [...users.map((user) => user.instance), "stranger"];
  const instances = users.filter((user) => user.zone === placeholder).map((user) => user.instance);
  return instances.length === 0 ? ["x"] : [...instances, "stranger"];
}

/** The whole pattern with wildcards where it has places: nobody may publish to many at once. */
function wildcardsOf(contract: Exclude<Contract, { kind: "bucket" }>): string[] {
  const roads = contract.kind === "stream" ? [contract.up, contract.down] : [contract.subject];
  return roads.flatMap((road) => (road.placeholders.length === 0 ? [] : [road.filterFor({})]));
}

const accountRequests = [
  ...[
    "INFO",
    "STREAM.LIST",
    "STREAM.NAMES",
    "SERVER.REMOVE",
    "META.LEADER.STEPDOWN",
    "ACCOUNT.PURGE.sallyport",
  ],
  ...["STREAM.TEMPLATE.CREATE.x", "CONSUMER.LIST", "CONSUMER.NAMES", "ACCOUNT.STREAM.MOVE.x.y"],
];

const streamRequests = [
  ...["CREATE", "UPDATE", "DELETE", "PURGE", "INFO", "MSG.GET", "MSG.DELETE", "SNAPSHOT", "RESTORE"],
  ...["PEER.REMOVE", "LEADER.STEPDOWN", "LIST", "NAMES"],
].map((verb) => `STREAM.${verb}`);

const consumerRequests = [
  ...["INFO", "DELETE", "PAUSE", "UNPIN", "RESET", "MSG.NEXT", "LEADER.STEPDOWN", "DURABLE.CREATE", "CREATE"],
].map((verb) => `CONSUMER.${verb}`);

const readingALog: readonly string[] = [
  "STREAM.INFO",
  "CONSUMER.CREATE with its filter",
  "CONSUMER.INFO",
  "FC",
];
const readingABucket: readonly string[] = [...readingALog, "STREAM.MSG.GET"];
const gettingFromABucket: readonly string[] = ["STREAM.INFO", "STREAM.MSG.GET"];
const takingFromAQueue: readonly string[] = ["CONSUMER.MSG.NEXT", "ACK"];
const countingAQueue: readonly string[] = ["CONSUMER.INFO"];

/** Everything that can be asked about one stream; `allowed` names the requests of a reader. */
function jetstreamAttempts(stream: string, filter: string, allowed: readonly string[]): Attempt[] {
  const subject = filter.replaceAll("*", "a").replace(">", "a");
  const asked: [string, string][] = [
    ...streamRequests.map((request): [string, string] => [request, `$JS.API.${request}.${stream}`]),
    ...consumerRequests.map((request): [string, string] => [request, `$JS.API.${request}.${stream}.name`]),
    ["CONSUMER.CREATE with its filter", `$JS.API.CONSUMER.CREATE.${stream}.name.${filter}`],
    ["CONSUMER.CREATE with another filter", `$JS.API.CONSUMER.CREATE.${stream}.name.>`],
    ["CONSUMER.CREATE with another filter", `$JS.API.CONSUMER.CREATE.${stream}.name.other.>`],
    ["CONSUMER.CREATE without a name", `$JS.API.CONSUMER.CREATE.${stream}`],
    ["CONSUMER.LIST", `$JS.API.CONSUMER.LIST.${stream}`],
    ["CONSUMER.NAMES", `$JS.API.CONSUMER.NAMES.${stream}`],
    ["DIRECT.GET", `$JS.API.DIRECT.GET.${stream}`],
    ["DIRECT.GET", `$JS.API.DIRECT.GET.${stream}.${subject}`],
    ["ACK", `$JS.ACK.${stream}.name.1.1.1.1.1`],
    ["FC", `$JS.FC.${stream}.name.x`],
  ];
  return asked.map(
    ([request, to]): Attempt => ({ act: "pub", subject: to, allowed: allowed.includes(request) }),
  );
}
