import { readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { connect, type Socket } from "node:net";
import { compilePolicies } from "@sallyport/policy";
import { openEgress } from "@sallyport/sandbox-egress";
import { bareEnding } from "./bare-ending.ts";

/** `proxy-main plain|bare|ours SOCKET PORT KEY CERTIFICATE TOKEN PLACEHOLDER`: what is compared, each on a socket of its own. */
const [, , kind, socketPath = "", port = "", key = "", certificate = "", token = "", placeholder = ""] =
  process.argv;
if (kind === "plain") plain();
else if (kind === "bare")
  bareEnding({ socketPath, port: Number(port), key, certificate, token, placeholder });
else await ours();
console.log('{"port":0}');

/** The least that a CONNECT proxy is. */
function plain(): void {
  const server = createServer();
  server.on("connect", (_request, socket: Socket) => {
    const upstream = connect(Number(port), "127.0.0.1", () => {
      socket.write("HTTP/1.1 200 Connection Established\r\n\r\n");
      socket.pipe(upstream).pipe(socket);
    });
    upstream.on("error", () => socket.destroy());
    socket.on("error", () => upstream.destroy());
  });
  server.listen(socketPath);
}

/** With policies as a team has them. Its records go nowhere: what an audit costs is the audit's. */
async function ours(): Promise<void> {
  const scope = 'principal, action == Action::"http/request", resource';
  const others = Array.from(
    { length: 20 },
    (_, at) => `@id("other-${at}") forbid(${scope} == Host::"other-${at}.test");`,
  );
  const rule = `@id("bench") permit(${scope}) when { context.port == ${port} && context.host like "*.test" };`;
  const at = { scheme: "https", host: "api.test", port: Number(port), pathPrefix: "/secret" } as const;
  const location = { in: "header", name: "authorization", prefix: "Bearer " } as const;
  const proxy = await openEgress(
    {
      sandbox: "bench",
      socketPath,
      identity: { agent: "bench" },
      policy: compilePolicies([{ name: "bench.cedar", text: [rule, ...others].join("\n") }]).http,
      placeholders: [{ value: placeholder, credential: "bench", bindings: [{ ...at, location }] }],
    },
    {
      record: () => Promise.resolve(),
      lease: () => Promise.resolve({ value: Buffer.from(token) }),
      resolver: () => Promise.reject(new Error("there are no names here")),
      addresses: new Map(["api.test", "pass.test"].map((host) => [`${host}:${port}`, "127.0.0.1"])),
      upstreamCa: readFileSync(certificate, "utf8"),
      limits: {
        connections: 256,
        headerBytes: 16_384,
        headTimeoutMs: 5_000,
        connectTimeoutMs: 5_000,
        idleMs: 60_000,
        totalMs: 600_000,
      },
    },
  );
  writeFileSync(`${socketPath}.pem`, proxy.certificate ?? "");
}
