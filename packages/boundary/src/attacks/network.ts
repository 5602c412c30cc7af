import { Duplex } from "node:stream";
import { connect } from "node:tls";
import { type Attack, judge, type Try, tried } from "../attack.ts";
import type { Inside } from "../inside.ts";
import type { World } from "../world.ts";

/** Names of all of these in a policy that permits everything: what refuses them is the guard of addresses. */
const metadata = [
  "169.254.169.254",
  "[fd00:ec2::254]",
  "100.100.100.200",
  "168.63.129.16",
  "[::ffff:a9fe:a9fe]",
  "[::ffff:169.254.169.254]",
  "[64:ff9b::a9fe:a9fe]",
  "2852039166",
  "0xa9fea9fe",
  "0251.0376.0251.0376",
  "169.254.43518",
  "169.254.169.254.",
  "%31%36%39.254.169.254",
];

/** What leaves the sandbox, and what the one door lets through. */
export const network: readonly Attack[] = [
  {
    number: 30,
    name: "a way around the door",
    tries: "reach addresses by TCP, UDP and ICMP, resolve names, and dial services on the host's loopback",
    source: "DNS and ICMP exfiltration; 127.0.0.1 of a shared network namespace",
    expected: "no route, no name",
    async run(world) {
      const inside = await world.shared();
      // UDP sockets choose a route when they connect and send nothing.
      const routes = await inside.perl(
        `my @saw; for ("198.51.100.1:443", "198.51.100.1:53", "10.0.0.1:53", "169.254.169.254:80", "224.0.0.1:5353") { my ($host, $port) = split /:/; socket(my $s, AF_INET, SOCK_DGRAM, 0); push @saw, connect($s, pack_sockaddr_in($port, inet_aton($host))) ? "route" : name() }
for ("2001:db8::1", "fd00:ec2::254", "fe80::1") { socket(my $s, AF_INET6, SOCK_DGRAM, 0); push @saw, connect($s, pack_sockaddr_in6(53, Socket::inet_pton(AF_INET6, $_))) ? "route" : name() }
my $ping; socket($ping, AF_INET, SOCK_DGRAM, 1) ? push(@saw, connect($ping, pack_sockaddr_in(0, inet_aton("198.51.100.1"))) ? "route" : name()) : push @saw, name(); print "@saw"`,
      );
      const names = await inside.run(["getent", "hosts", "example.com"]);
      const interfaces = await inside.perl(
        String.raw`print join " ", slurp("/proc/net/dev") =~ /^\s*(\S+):/mg`,
      );
      const { nats, echo } = world.neighbours;
      const loopback = await inside.perl(
        `print join " ", map { tcp_to("127.0.0.1", $_) } @ARGV`,
        String(nats.port),
        String(echo.port),
      );
      return judge([
        ...routes
          .split(" ")
          .map((saw, index) =>
            tried(`route ${index + 1}`, saw, /^(?:ENETUNREACH|EACCES|EPERM|EINVAL|EADDRNOTAVAIL)$/),
          ),
        tried("a name", names.stdout === "" && names.code !== 0 ? "unknown" : names.stdout, "unknown"),
        tried("interfaces", interfaces, "lo"),
        ...loopback.split(" ").map((saw) => tried("the host's loopback", saw, "ECONNREFUSED")),
        tried("visits", String(nats.count()), "0"),
      ]);
    },
  },
  {
    number: 31,
    name: "metadata services",
    tries: "ask the door for every cloud's metadata address, in every notation, by GET, CONNECT and redirect",
    source: "Capital One (2019); SSRF notations",
    expected: "refused before anybody is dialled",
    async run(world) {
      const place = `echo.test:${world.neighbours.echo.port}`;
      const { inside, door } = await withDoor(world, { addresses: new Map([[place, "127.0.0.1"]]) });
      const get = metadata.map((host) => request("GET", `http://${host}/latest/meta-data/`, host));
      const tunnel = metadata.map((host) => request("CONNECT", `${host}:80`, `${host}:80`));
      const tries = await refusedAll(inside, [...get, ...tunnel], [...metadata, ...metadata]);
      const redirect = await one(
        inside,
        request("GET", `http://${place}/redirect?to=http://169.254.169.254/`, place),
      );
      await inside.destroy();
      return judge([
        ...tries,
        // The door hands the redirect on; whoever follows it asks the door again.
        tried(
          "a redirect",
          /^HTTP\/1\.1 302/.test(redirect) ? "not followed" : redirect.slice(0, 60),
          "not followed",
        ),
        tried("look-ups", String(door.lookups.length), "0"),
      ]);
    },
  },
  {
    number: 32,
    name: "names that lead inside",
    tries:
      "names that resolve to loopback, private and mapped addresses, one among good ones, and other ones each time",
    source: "DNS rebinding",
    expected: "refused; one look-up for one decision",
    async run(world) {
      const { port } = world.neighbours.echo;
      const before = world.neighbours.echo.count();
      const names: Record<string, readonly (readonly string[])[]> = {
        "loopback.test": [["127.0.0.1"]],
        "six.test": [["::1"]],
        "private.test": [["10.0.0.7"]],
        "mapped.test": [["::ffff:127.0.0.1"]],
        "mixed.test": [["127.0.0.1", "10.1.1.1"]],
        "link.test": [["169.254.169.254"]],
        "zero.test": [["0.0.0.0"]],
        "rebinding.test": [["10.0.0.1"], ["127.0.0.1"]],
      };
      const { inside, door } = await withDoor(world, { names });
      const hosts = [...Object.keys(names), "rebinding.test", "localhost", "127.0.0.1", "[::1]"];
      const tries = await refusedAll(
        inside,
        hosts.map((host) => request("GET", `http://${host}:${port}/`, `${host}:${port}`)),
        hosts,
      );
      await inside.destroy();
      const looked = door.lookups.filter((name) => name === "rebinding.test").length;
      return judge([
        ...tries,
        tried("visits", String(world.neighbours.echo.count() - before), "0"),
        tried("look-ups of the name that changes", String(looked), "2"),
      ]);
    },
  },
  {
    number: 33,
    name: "the door's parser",
    tries:
      "NUL, dots, user names, smuggled lengths, two hosts, SNI of another, HTTP/2, SOCKS, tunnels in tunnels, relays",
    source: "RFC 9112, section 11.2; claude-code 40213, 87381; SOCKS NUL bypass of sandbox-runtime",
    expected: "refused",
    deadlineMs: 25_000,
    async run(world) {
      const { port } = world.neighbours.echo;
      const good = `good.test:${port}`;
      const bad = `bad.test:${port}`;
      const addresses = new Map([good, bad].map((each) => [each, "127.0.0.1"]));
      const policy = `@id("good") permit(principal, action == Action::"http/request", resource == Host::"good.test") when { context.port > 0 };`;
      const { inside, door } = await withDoor(world, { policy, addresses });
      const before = world.neighbours.echo.count();
      const get = (target: string, ...headers: string[]) =>
        `GET ${target} HTTP/1.1\r\n${[...headers, "Connection: close"].join("\r\n")}\r\n\r\n`;
      const host = `Host: ${good}`;
      const raw: Record<string, string> = {
        "another host": get(`http://${bad}/`, `Host: ${bad}`),
        "NUL in the host": get(`http://bad.test\0.good.test:${port}/`, host),
        "dot at the end": get(`http://bad.test.:${port}/`, `Host: bad.test.:${port}`),
        "upper case": get(`http://BAD.TEST:${port}/`, `Host: BAD.TEST:${port}`),
        "not ASCII": get(`http://b\u00e4d.test:${port}/`, host),
        "a user name": get(`http://good.test@bad.test:${port}/`, `Host: ${bad}`),
        "a backslash": get(`http://bad.test:${port}\\@good.test/`, host),
        "Host of another": get(`http://${good}/`, `Host: ${bad}`),
        "two Hosts": get(`http://${good}/`, host, `Host: ${bad}`),
        "a length and chunks": get(
          `http://${good}/`,
          host,
          "Content-Length: 5",
          "Transfer-Encoding: chunked",
        ),
        "two lengths": get(`http://${good}/`, host, "Content-Length: 5", "Content-Length: 6"),
        "a strange coding": get(`http://${good}/`, host, "Transfer-Encoding: xchunked"),
        "a folded header": get(`http://${good}/`, host, "X-A: b\r\n Host: bad.test"),
        "a bare line feed": `GET http://${good}/ HTTP/1.1\n${host}\n\n`.replace("\n", "\r"),
        "a path that climbs": get(`http://${good}/a/%2e%2e/b`, host),
        "origin form": get("/", host),
        "HTTP/2": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "SOCKS 5": "\x05\x01\x00\x05\x01\x00\x03\x08bad.test\x00\x50",
        "a tunnel to another": `CONNECT ${bad} HTTP/1.1\r\nHost: ${bad}\r\n\r\n`,
      };
      const tries = [...(await refusedAll(inside, Object.values(raw), Object.keys(raw)))];
      const direct = world.neighbours.echo.count() - before;
      tries.push(...(await inTunnels(inside, good, bad)));
      // A process that relays is in the same sandbox: its door is the same.
      const relayed = await inside.perl(
        `my $pid = open(my $from, "-|") // die; if (!$pid) { print door($ARGV[0]); exit } local $/; print <$from>`,
        get(`http://${bad}/`, `Host: ${bad}`),
      );
      tries.push(tried("by a relay", statusOf(relayed), refusal));
      await inside.destroy();
      const out = door.records.filter(({ outcome, host: to }) => outcome === "allowed" && to !== "good.test");
      return judge([
        ...tries,
        tried("visits by requests", String(direct), "0"),
        tried("let out to another", String(out.length), "0"),
      ]);
    },
  },
];

const refusal = /^(?:40\d|50[0-5]|closed)$/;

async function withDoor(world: World, options: Parameters<World["doors"]["open"]>[0]) {
  const door = await world.doors.open(options);
  return { door, inside: await world.start({ egress: { socket: door.socket } }) };
}

function request(method: string, target: string, host: string): string {
  return `${method} ${target} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`;
}

const hexed = (bytes: string | Uint8Array): string =>
  Buffer.from(typeof bytes === "string" ? Buffer.from(bytes, "utf8") : bytes).toString("hex");

async function one(inside: Inside, bytes: string): Promise<string> {
  return await inside.perl(`print door(pack "H*", $ARGV[0])`, hexed(bytes));
}

/** Each on a connection of its own, from one process inside; the head of each answer. */
async function refusedAll(
  inside: Inside,
  all: readonly string[],
  names: readonly string[],
): Promise<readonly Try[]> {
  const answers = await inside.perl(
    String.raw`print join "|", map { door(pack("H*", $_), qr/\r\n\r\n/) =~ m{^HTTP/1\.[01] (\d+)} ? $1 : "closed" } @ARGV`,
    ...all.map(hexed),
  );
  const saw = answers.split("|");
  return names.map((name, index) => tried(name, saw[index] ?? "no answer", refusal));
}

/** What an allowed tunnel is then used for. */
async function inTunnels(inside: Inside, good: string, bad: string): Promise<readonly Try[]> {
  const open = `CONNECT ${good} HTTP/1.1\r\nHost: ${good}\r\n\r\n`;
  const within: Record<string, string | Uint8Array> = {
    "SNI of another": await helloFor("bad.test"),
    "no TLS": request("GET", "/secret", good),
    "a tunnel in a tunnel": `CONNECT ${bad} HTTP/1.1\r\nHost: ${bad}\r\n\r\n`,
    SSH: "SSH-2.0-attacker\r\n",
  };
  const tries: Try[] = [];
  for (const [what, bytes] of Object.entries(within)) {
    const answer = await inside.perl(
      `print unpack "H*", door(pack("H*", $ARGV[0]))`,
      hexed(Buffer.concat([Buffer.from(open), Buffer.from(bytes)])),
    );
    const text = Buffer.from(answer, "hex").toString("latin1");
    // Let through, the server would have said something: that it is no TLS server, or all that it was asked.
    const after = text.replace(/^HTTP\/1\.1 200[^\r]*\r\n(?:[^\r]+\r\n)*\r\n/, "");
    tries.push(tried(what, /you sent|400 Bad Request/.test(after) ? "let through" : "refused", "refused"));
  }
  return tries;
}

/** The first bytes of a TLS client that asks for this name. */
function helloFor(servername: string): Promise<Buffer> {
  return new Promise((resolve) => {
    const wire = new Duplex({
      read() {},
      write(chunk: Buffer, _encoding, done) {
        resolve(chunk);
        done();
        queueMicrotask(() => client.destroy()); // the first write comes before `connect` returns
      },
    });
    const client = connect({ socket: wire, servername });
    client.on("error", () => {});
  });
}

function statusOf(answer: string): string {
  return /^HTTP\/1\.1 (\d+)/.exec(answer)?.[1] ?? "closed";
}
