import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type Architecture, answers, auditArch, code, encodeProgram, seccompProgram } from "./program.ts";
import { type Rule, rules } from "./table.ts";

interface Call {
  readonly arch: number;
  readonly number: number;
  /** The first three arguments, 64 bits each. */
  readonly args: readonly bigint[];
}

/** A kernel's reading of a filter, from its bytes: seccomp_data of a call in, the answer out. */
function interpret(bytes: Buffer, call: Call): number {
  const data = Buffer.alloc(64);
  data.writeUInt32LE(call.number, 0);
  data.writeUInt32LE(call.arch, 4);
  for (const [index, value] of call.args.entries()) data.writeBigUInt64LE(value, 16 + 8 * index);
  let accumulator = 0;
  for (let at = 0; at < bytes.length / 8; at++) {
    const k = bytes.readUInt32LE(at * 8 + 4);
    const skip = (yes: boolean) => bytes.readUInt8(at * 8 + (yes ? 2 : 3));
    switch (bytes.readUInt16LE(at * 8)) {
      case code.load:
        accumulator = data.readUInt32LE(k);
        break;
      case code.and:
        accumulator = (accumulator & k) >>> 0;
        break;
      case code.jumpEqual:
        at += skip(accumulator === k);
        break;
      case code.jumpAtLeast:
        at += skip(accumulator >= k);
        break;
      case code.jumpSet:
        at += skip((accumulator & k) !== 0);
        break;
      case code.answer:
        return k;
      default:
        throw new Error(`instruction ${at} is none of ours`);
    }
  }
  throw new Error("ran over the end");
}

const architectures: readonly Architecture[] = ["x64", "arm64"];
const numberOf = (rule: Rule, arch: Architecture) => rule.number[arch];

/** The table read directly: what the filter must say, without a jump. */
function byTheTable(arch: Architecture, call: Call): number {
  if (call.arch !== auditArch[arch]) return answers.killProcess;
  if (arch === "x64" && call.number >= 0x40000000) return answers.killProcess;
  for (const { when, errno, ...rule } of rules) {
    if (rule.number[arch] !== call.number) continue;
    const low = (index: number) => Number((call.args[index] ?? 0n) & 0xffffffffn);
    const holds =
      "always" in when ||
      ("anyBit" in when && (BigInt(low(when.argument)) & BigInt(when.anyBit)) !== 0n) ||
      ("oneOf" in when && when.oneOf.includes(low(when.argument))) ||
      ("notOneOf" in when && !when.notOneOf.includes(Number(BigInt(low(when.argument)) & BigInt(when.mask))));
    if (holds) return answers.errno | errno;
  }
  return answers.allow;
}

const interesting = [
  0n,
  1n,
  2n,
  3n,
  5n,
  10n,
  16n,
  17n,
  40n,
  0x5412n,
  0x541cn,
  0x5423n,
  0x5413n,
  0x11n,
  0x10000000n,
];
const argument = fc.oneof(
  fc.constantFrom(...interesting, ...interesting.map((value) => value | 0xffffffff00000000n)),
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
);

describe.each(architectures)("the seccomp filter of %s", (arch) => {
  const bytes = encodeProgram(seccompProgram(arch));
  const native = (number: number, ...args: bigint[]): number =>
    interpret(bytes, { arch: auditArch[arch], number, args });

  it("says what the table says, for any call and arguments", () => {
    const listed = rules.flatMap((rule) => numberOf(rule, arch) ?? []);
    fc.assert(
      fc.property(
        fc.oneof(fc.constantFrom(...listed), fc.nat(600), fc.integer({ min: 0, max: 0xffffffff })),
        fc.tuple(argument, argument, argument),
        (number, args) => {
          const call = { arch: auditArch[arch], number, args };
          expect(interpret(bytes, call)).toBe(byTheTable(arch, call));
        },
      ),
      { numRuns: 3_000 },
    );
  });

  it("passes every call that no rule names", () => {
    const named = new Set(rules.map((rule) => numberOf(rule, arch)));
    for (let number = 0; number < 600; number++)
      if (!named.has(number)) expect(native(number, 0n, 0n, 0n), `call ${number}`).toBe(answers.allow);
  });

  it("ends a process that calls as another architecture", () => {
    for (const foreign of [0x40000003, 0x40000028, ...architectures.map((a) => auditArch[a])])
      if (foreign !== auditArch[arch])
        expect(interpret(bytes, { arch: foreign, number: 0, args: [] })).toBe(answers.killProcess);
  });

  it("is not deceived by the upper half of an ioctl's request (CVE-2019-10063)", () => {
    const ioctl = arch === "x64" ? 16 : 29;
    expect(native(ioctl, 0n, 0x1_0000_5412n)).toBe(answers.errno | 1);
    expect(native(ioctl, 0n, 0x5413n)).toBe(answers.allow);
  });

  it("lets a process start threads and children, and none in a new namespace", () => {
    const clone = arch === "x64" ? 56 : 220;
    expect(native(clone, 0x3d0f00n)).toBe(answers.allow);
    expect(native(clone, 17n)).toBe(answers.allow);
    for (const flag of [0x20000n, 0x2000000n, 0x4000000n, 0x8000000n, 0x10000000n, 0x20000000n, 0x40000000n])
      expect(native(clone, flag | 17n), flag.toString(16)).toBe(answers.errno | 1);
  });

  it("has no more instructions than a kernel takes (BPF_MAXINSNS), and no jump over its end", () => {
    const program = seccompProgram(arch);
    expect(program.length).toBeLessThan(4096);
    for (const [index, { code: operation, jumpTrue, jumpFalse }] of program.entries())
      if (operation !== code.answer)
        expect(index + 1 + Math.max(jumpTrue, jumpFalse)).toBeLessThan(program.length);
  });
});

describe("the seccomp filter of x64", () => {
  it("ends a process that calls by an x32 number", () => {
    const bytes = encodeProgram(seccompProgram("x64"));
    for (const number of [0x40000000, 0x40000065, 0xffffffff])
      expect(interpret(bytes, { arch: auditArch.x64, number, args: [] })).toBe(answers.killProcess);
  });
});
