import { chmod, readdir } from "node:fs/promises";
import { type Attack, judge, tried } from "../attack.ts";
import type { Inside } from "../inside.ts";
import { knownProcess } from "../known-process.ts";

/** Process numbers up to this may be the sandbox's own. */
const ownNumbers = 64;
const noSuchPath = /^E(?:NOENT|CONNREFUSED|ACCES)$/;

/** Other sandboxes, the runner, and the host's own services. */
export const neighbours: readonly Attack[] = [
  {
    number: 5,
    name: "memory of other processes",
    tries:
      "ptrace, process_vm_readv and _writev, /proc/N/mem and pidfd_getfd on its agent, a sibling and the runner",
    source: "ptrace(2); CVE-2019-13272",
    expected: "EPERM or ESRCH; absent",
    async run(world) {
      const [inside, sibling] = [await world.shared(), await world.start()];
      const pid = await knownProcess(sibling, `sibling-${world.canary.secret.slice(0, 8)}-5`);
      const targets = ["2", String(pid), String(process.pid)];
      const tries = await inside.attack(["processes", ...targets], (what) =>
        // The agent is in the same namespace, so it can be named; but neither held nor read.
        what === "pidfd_open of 2" ? /^allowed$/ : /^E(?:PERM|SRCH|ACCES|NOENT)$/,
      );
      await sibling.destroy();
      return judge(tries);
    },
  },
  {
    number: 16,
    name: "signals",
    tries: "signal the runner, its parent and a sibling, by number, by group, by F_SETOWN and by pidfd",
    source: "kill(2), fcntl(2)",
    expected: "ESRCH",
    async run(world) {
      const [inside, sibling] = [await world.shared(), await world.start()];
      const pid = await knownProcess(sibling, `sibling-${world.canary.secret.slice(0, 8)}-16`);
      // A runner that is itself in a PID namespace may have a number that means another process inside.
      const targets = [process.pid, process.ppid, pid].filter((each) => each > ownNumbers);
      const tries = await inside.attack(["signals", ...targets.map(String)], /^ESRCH$/);
      await sibling.destroy();
      if (targets.length > 0) return judge(tries);
      const why = "The runner is the first in a PID namespace, so its numbers mean other processes inside.";
      return { verdict: "not tried", seen: "", why };
    },
  },
  {
    number: 17,
    name: "UNIX sockets of the host",
    tries:
      "connect to a socket by path, to an abstract one, to D-Bus, Docker, containerd and X11; send descriptors to the egress proxy",
    source: "CVE-2020-15257 (containerd's abstract socket)",
    expected: "refused; no descriptor arrives",
    async run(world) {
      const inside = await world.shared();
      const { unixSocket, abstractSocket } = world.neighbours;
      const paths = [
        unixSocket.path,
        "/run/dbus/system_bus_socket",
        "/var/run/docker.sock",
        "/run/containerd/containerd.sock",
        "/run/systemd/private",
        "/tmp/.X11-unix/X0",
      ];
      const byPath = await inside.perl(`print join " ", map { unix_to($_) } @ARGV`, ...paths);
      const abstract = await inside.perl(`print unix_to("\\0$ARGV[0]")`, abstractSocket.name);
      const before = (await readdir("/proc/self/fd")).length;
      const sent = await inside.attack(["rights", "/run/sallyport/egress.sock"], /^(?:allowed|EPERM|EPIPE)$/);
      const more = (await readdir("/proc/self/fd")).length - before;
      return judge([
        ...byPath.split(" ").map((saw, index) => tried(paths[index] ?? "", saw, noSuchPath)),
        tried("the abstract socket", abstract, "ECONNREFUSED"),
        tried("visits", String(unixSocket.count() + abstractSocket.count()), "0"),
        ...sent,
        // One more is the connection itself; eight were sent.
        tried("descriptors that arrived", more < 8 ? "none" : String(more), "none"),
      ]);
    },
  },
  {
    number: 18,
    name: "shared memory",
    tries: "find the System V memory, message queue, POSIX memory and files that a sibling or the host made",
    source: "shm_overview(7): names are of the IPC namespace and the file system",
    expected: "ENOENT",
    async run(world) {
      const [inside, sibling] = [await world.shared(), await world.start()];
      const key = String(1_000_000 + Number.parseInt(world.canary.secret.slice(0, 4), 16));
      const made = await sibling.attack(["shared", "make", key], /^(?:allowed|ENOSYS)$/);
      const found = await inside.attack(["shared", "look", key], /^E(?:NOENT|NOSYS)$/);
      const host = await inside.perl(`print to_read($ARGV[0])`, world.neighbours.sharedFile);
      await sibling.destroy();
      return judge([...made.filter(({ held }) => !held), ...found, tried("of the host", host, "ENOENT")]);
    },
  },
  {
    number: 34,
    name: "another sandbox's door",
    tries:
      "use a sibling's socket, placeholder and CA; get a placed secret back by TRACE, echo, header and error",
    source: "TRACE (RFC 9110, section 9.3.8); vm0 issue 14412",
    expected: "unreachable; the secret is in no answer",
    async run(world) {
      const { echo } = world.neighbours;
      const place = `echo.test:${echo.port}`;
      const other = `other.test:${echo.port}`;
      const addresses = new Map([place, other].map((each) => [each, "127.0.0.1"]));
      const secret = `secret-${world.canary.secret}`;
      const value = `sbx_${world.canary.secret}`;
      const location = { in: "header", name: "authorization", prefix: "Bearer " } as const;
      const at = { host: "echo.test", port: echo.port, pathPrefix: "/", location } as const;
      const bindings = [{ ...at, scheme: "http" } as const, { ...at, scheme: "https", port: 443 } as const];
      const placeholders = [{ value, credential: "demo", bindings }];
      const mine = await world.doors.open({ placeholders, secrets: { demo: secret }, addresses });
      const theirs = await world.doors.open({
        placeholders: [{ value: `sbx_other${world.canary.secret}`, credential: "demo", bindings }],
        secrets: { demo: secret },
        addresses,
      });
      const owner = await world.start({ egress: { socket: mine.socket } });
      const sibling = await world.start({ egress: { socket: theirs.socket } });
      await chmod(mine.socket, 0o777);
      const ask = (inside: Inside, method: string, to: string, path = "/"): Promise<string> =>
        inside.perl(
          `print door("$ARGV[0] http://$ARGV[1]$ARGV[2] HTTP/1.1\\r\\nHost: $ARGV[1]\\r\\nAuthorization: Bearer $ARGV[3]\\r\\nConnection: close\\r\\n\\r\\n")`,
          method,
          to,
          path,
          value,
        );
      const answers = {
        echo: await ask(owner, "GET", place),
        error: await ask(owner, "GET", place, "/error"),
        trace: await ask(owner, "TRACE", place),
        elsewhere: await ask(owner, "GET", other),
        stolen: await ask(sibling, "GET", place),
      };
      const placed = echo.heard().split(secret).length - 1;
      const leaked = Object.entries(answers).filter(([, text]) => text.includes(secret));
      const paths = await sibling.perl(`print join " ", map { unix_to($_) } @ARGV`, mine.socket);
      await Promise.all([owner.destroy(), sibling.destroy()]);
      return judge([
        tried("placed for its owner", String(placed), "2"),
        tried("answers with the secret", leaked.map(([name]) => name).join(" ") || "none", "none"),
        tried("echo", status(answers.echo), "200"),
        tried("TRACE", status(answers.trace), "403"),
        tried("its placeholder elsewhere", status(answers.elsewhere), "403"),
        tried("its socket's path", paths, noSuchPath),
        tried(
          "its CA",
          mine.proxy.certificate !== undefined && mine.proxy.certificate !== theirs.proxy.certificate
            ? "another"
            : "shared",
          "another",
        ),
      ]);
    },
  },
  {
    number: 35,
    name: "the runner's own services",
    tries:
      "reach NATS, kubelet, the Kubernetes API and the runner by loopback and by the egress proxy; read service tokens",
    source: "what a pod or a runner's host has beside it",
    expected: "unreachable",
    async run(world) {
      const inside = await world.shared();
      const { nats, secretFile } = world.neighbours;
      const ports = [nats.port, 4222, 10250, 6443, 2375, 8200];
      const direct = await inside.perl(
        `print join " ", map { tcp_to("127.0.0.1", $_) } @ARGV`,
        ...ports.map(String),
      );
      const proxied = await inside.perl(
        `print join "|", map { my $to = $_; door("CONNECT $to HTTP/1.1\\r\\nHost: $to\\r\\n\\r\\n", qr/\\r\\n\\r\\n/) =~ m{^HTTP/1.1 (\\d+)} ? $1 : "closed" } @ARGV`,
        ...[
          `127.0.0.1:${nats.port}`,
          `localhost:${nats.port}`,
          `[::1]:${nats.port}`,
          "kubernetes.default.svc:443",
        ],
      );
      const files = await inside.perl(
        `print join " ", map { to_read($_) } @ARGV`,
        "/var/run/secrets/kubernetes.io/serviceaccount/token",
        "/root/.docker/config.json",
        "/etc/kubernetes/kubelet.conf",
        "/etc/shadow",
        secretFile,
      );
      return judge([
        ...direct.split(" ").map((saw, index) => tried(`port ${ports[index]}`, saw, "ECONNREFUSED")),
        ...proxied
          .split("|")
          .map((saw, index) => tried(`by proxy ${index + 1}`, saw, /^(?:403|502|closed)$/)),
        ...files.split(" ").map((saw, index) => tried(`file ${index + 1}`, saw, "ENOENT")),
        tried("visits", String(nats.count()), "0"),
      ]);
    },
  },
];

function status(answer: string): string {
  return /^HTTP\/1\.1 (\d+)/.exec(answer)?.[1] ?? (answer.slice(0, 40) || "closed");
}
