import { setTimeout as later } from "node:timers/promises";
import type { Command } from "commander";
import pc from "picocolors";
import { type CommandContext, type CommonOptions, command, operatorBus, outJson } from "../base-command.ts";
import { type Heard, hearPresence, listenForPresence } from "../hear-presence.ts";
import { safeJson } from "../safe-json.ts";
import { table } from "../table.ts";
import type { Terminal } from "../terminal.ts";

/** Two announcements and a half: one may be late. */
const listenMs = 2_500;

interface Options extends CommonOptions {
  watch?: boolean;
}

export function statusCommand(context: CommandContext): Command {
  const { terminal, run } = context;
  return command(context, {
    name: "status",
    summary: "list the instances of all zones that are alive",
    more: "Each instance announces itself once a second; this listens for two and a half.",
    examples: ["status", "status --watch", "status --json | jq '.instances[] | select(.problems != null)'"],
  })
    .option("--watch", "show it again each second, until Ctrl-C")
    .action(async (options: Options) => {
      const bus = await operatorBus(context, options);
      if (options.watch) {
        const listening = run.use(listenForPresence(bus), "presence");
        while (await tick(run.signal)) showAgain(listening.heard(), terminal, options.json === true);
        return;
      }
      const heard = await hearPresence(bus, { forMs: listenMs, signal: run.signal });
      if (options.json) outJson(terminal, { instances: heard.map(plain) });
      else terminal.out(statusText(heard, { color: terminal.color, now: Date.now() }));
    });
}

/** False when it is time to end. */
function tick(signal: AbortSignal): Promise<boolean> {
  return later(1_000, true, { signal }).catch(() => false);
}

/** A terminal is cleared; a pipe gets one table, or one JSON line, after the other. */
function showAgain(heard: Heard[], terminal: Terminal, json: boolean): void {
  if (json) {
    terminal.out(`${safeJson({ instances: heard.map(plain) })}\n`);
    return;
  }
  const clear = terminal.shown ? "\x1b[2J\x1b[H" : "";
  terminal.out(`${clear}${statusText(heard, { color: terminal.color, now: Date.now() })}`);
}

/** Silent for longer: it has ended, or cannot reach NATS. */
const goneMs = 3_500;

function statusText(heard: readonly Heard[], { color, now }: { color: boolean; now: number }): string {
  if (heard.length === 0) return "nobody announces itself: no zone is running, or none reaches NATS\n";
  const { green, red, yellow } = pc.createColors(color);
  const state = (one: Heard) => {
    if (now - one.heardAt > goneMs) return "gone";
    return problemsOf(one).length === 0 ? "up" : "problem";
  };
  const paints = { up: green, gone: red, problem: yellow };
  return table(heard, [
    { title: "ZONE", text: (one) => one.zone, max: 12 },
    { title: "INSTANCE", text: (one) => one.instance, max: 40 },
    { title: "STATE", text: state, max: 8, paint: (one) => paints[state(one)] },
    { title: "VERSION", text: (one) => one.version, max: 16 },
    { title: "UP", text: (one) => ageText(now - Date.parse(one.startedAt)), max: 10 },
    { title: "PROBLEMS", text: (one) => problemsOf(one).join("; "), max: 160 },
  ]);
}

/** What an instance says of itself and of the servers it offers. */
function problemsOf(one: Heard): string[] {
  const servers = (one.servers ?? []).filter(({ ready }) => !ready);
  return [
    ...(one.problems ?? []),
    ...servers.map(({ name, problem }) => `${name}: ${problem ?? "not ready"}`),
  ];
}

function plain({ heardAt, ...said }: Heard): object {
  return { ...said, heardAt: new Date(heardAt).toISOString() };
}

/** Milliseconds in the two largest units. */
function ageText(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (!Number.isFinite(seconds)) return "?";
  if (seconds < 60) return `${seconds}s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}m ${seconds % 60}s`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)}h ${Math.floor((seconds % 3600) / 60)}m`;
  return `${Math.floor(seconds / 86_400)}d ${Math.floor((seconds % 86_400) / 3600)}h`;
}
