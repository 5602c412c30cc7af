import { mkdtemp, readFile } from "node:fs/promises";
import { request } from "node:https";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { makeCertificateAuthority } from "./certificate-authority.ts";
import { withFreePort } from "./process/place.ts";
import { startServer } from "./process/server.ts";
import { fetchMoto } from "./tools/fetch-moto.ts";

const repository = join(import.meta.dirname, "../../..");

/**
 * Its own server answers calls at the same time, and what it keeps is not made for that: some are lost then. And an
 * answer that is lost on its way back is asked for again (AWS's clients name each call, and say so of its second try):
 * it is given again, for a rule that was made already would be refused.
 */
const oneAtATime = `
import sys, threading, moto.server as server
run, lock, given = server.run_simple, threading.Lock(), {}
def after_another(app):
    def answer(environ, start_response):
        call = environ.get("HTTP_AMZ_SDK_INVOCATION_ID")
        with lock:
            if call in given:
                print("asked again:", environ.get("HTTP_AMZ_SDK_REQUEST"), file=sys.stderr)
                environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
                status, headers, body = given[call]
            else:
                head = {}
                def begin(status, headers, exc_info=None):
                    head.update(status=status, headers=headers)
                body = list(app(environ, begin))
                status, headers = head["status"], head["headers"]
                if call is not None and not status.startswith("5"):
                    given[call] = (status, headers, body)
        start_response(status, headers)
        return body
    return answer
server.run_simple = lambda host, port, app, **options: run(host, port, after_another(app), **options)
server.main(sys.argv[1:])
`;

export interface Moto {
  readonly url: string;
  /** What an AWS client needs to speak to it and to nobody else: no credential of this machine is looked for. */
  readonly env: Readonly<Record<string, string>>;
  /** The AWS command line, version 1, as a command that needs `env` alone. */
  readonly awsFolder: string;
  stop(): Promise<void>;
}

/**
 * A server on 127.0.0.1 that answers AWS's API, over TLS, and keeps what it was told. It is the API alone: nothing
 * runs in it, no packet goes through it, and it enforces no policy.
 */
export async function startMoto(onProgress?: (text: string) => void): Promise<Moto> {
  const { python, packages } = await fetchMoto({
    cache: join(repository, ".cache/tools"),
    ...(onProgress === undefined ? {} : { onProgress }),
  });
  const folder = await mkdtemp(join(tmpdir(), "sallyport-moto-"));
  const authority = await makeCertificateAuthority(join(folder, "tls"));
  const { certFile, keyFile } = await authority.issue(["127.0.0.1"]);
  const ca = await readFile(authority.caFile);
  return await withFreePort(undefined, async (port) => {
    const server = await startServer({
      name: "moto",
      command: python,
      args: ["-c", oneAtATime, "-H", "127.0.0.1", "-p", String(port), "-c", certFile, "-k", keyFile],
      env: { PYTHONPATH: packages, PYTHONDONTWRITEBYTECODE: "1" },
      folder,
      temporary: true,
      readyWithin: 60_000,
      ready: async () => await answers(port, ca),
    });
    const url = `https://127.0.0.1:${port}`;
    return {
      url,
      env: {
        AWS_ENDPOINT_URL: url,
        AWS_CA_BUNDLE: authority.caFile,
        AWS_ACCESS_KEY_ID: "test",
        AWS_SECRET_ACCESS_KEY: "test",
        AWS_EC2_METADATA_DISABLED: "true",
        AWS_CONFIG_FILE: join(folder, "none"),
        AWS_SHARED_CREDENTIALS_FILE: join(folder, "none"),
        PYTHONPATH: packages,
        PYTHONDONTWRITEBYTECODE: "1",
      },
      awsFolder: join(packages, "bin"),
      stop: server.stop,
    };
  });
}

async function answers(port: number, ca: Buffer): Promise<true | undefined> {
  return await new Promise((resolve) => {
    const ask = request({ host: "127.0.0.1", port, ca, path: "/moto-api/", timeout: 2_000 }, (answer) => {
      answer.resume();
      resolve(answer.statusCode === 200 ? true : undefined);
    });
    ask.once("timeout", () => ask.destroy());
    ask.once("error", () => resolve(undefined));
    ask.end();
  });
}
