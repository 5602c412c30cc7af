import { bubblewrapDriver } from "./driver.ts";

/**
 * A runner of its own: told its options and a spec, it prints what it has as one line of JSON. `probe` then ends;
 * `hold` keeps a sandbox until it is killed.
 */
const [task, options, spec] = process.argv.slice(2);
const driver = await bubblewrapDriver(JSON.parse(options ?? ""));
if (task === "hold") {
  const sandbox = await driver.create(JSON.parse(spec ?? ""));
  sandbox.socket.resume();
  console.log(JSON.stringify({ id: sandbox.id }));
  setInterval(() => {}, 60_000);
} else {
  const capabilities = await driver.probe();
  const refusal = await driver.create(JSON.parse(spec ?? "")).then(
    async (sandbox) => void (await sandbox.destroy()),
    (error: unknown) => error,
  );
  console.log(JSON.stringify({ capabilities, refusal }));
  await driver.close();
}
